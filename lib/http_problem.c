/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "http_internal.h"
#include "json.h"

static const struct {
	int status;
	const char *title;
} titles[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{422, "Unprocessable Content"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{507, "Insufficient Storage"},
};

const char *http_status_title(int status)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return status < 400 ? "OK" : status < 500 ? "Client Error" : "Server Error";
}

void http_problem_write(struct buffer *out, int status, const char *detail,
			const struct http_field_error *errors, size_t error_count)
{
	struct jsonout json = JSONOUT_INIT(out);
	jsonout_begin(&json, '{');
	jsonout_name(&json, "type");
	jsonout_text(&json, "about:blank");
	jsonout_name(&json, "title");
	jsonout_text(&json, http_status_title(status));
	jsonout_name(&json, "status");
	jsonout_integer(&json, status);
	if (detail != NULL) {
		jsonout_name(&json, "detail");
		jsonout_text(&json, detail);
	}
	if (error_count > 0) {
		jsonout_name(&json, "errors");
		jsonout_begin(&json, '[');
		for (size_t i = 0; i < error_count; i++) {
			jsonout_begin(&json, '{');
			jsonout_name(&json, "field");
			jsonout_text(&json, errors[i].field);
			jsonout_name(&json, "message");
			jsonout_text(&json, errors[i].message);
			jsonout_end(&json, '}');
		}
		jsonout_end(&json, ']');
	}
	jsonout_end(&json, '}');
}

void http_problem(struct http_request *request, int status, const char *detail,
		  const struct http_field_error *errors, size_t error_count)
{
	struct buffer body = BUFFER_INIT;
	http_problem_write(&body, status, detail, errors, error_count);
	http_reply(request, status, "application/problem+json", &body);
}

void http_refuse_busy(struct http_request *request, const char *detail)
{
	http_reply_header(request, "Retry-After", "1");
	http_problem(request, 503, detail, NULL, 0);
}
