// SPDX-License-Identifier: MIT
//! Words come as the host split them, with a space between: the tokenizer has nothing to decide.

use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager};

pub const NAME: &str = "weir";

#[derive(Clone, Default)]
struct Words {
    token: Token,
}

struct Stream<'a> {
    rest: &'a str,
    token: &'a mut Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        self.token.position = usize::MAX;
        Stream { rest: text, token: &mut self.token }
    }
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        if self.rest.is_empty() {
            return false;
        }
        let (word, rest) = self.rest.split_once(' ').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.token.text.clear();
        self.token.text.push_str(word);
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

pub fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::new();
    manager.register(NAME, TextAnalyzer::from(Words::default()));
    /* tantivy asks for this one for fields that have no text. */
    manager.register("default", TextAnalyzer::from(Words::default()));
    manager
}
