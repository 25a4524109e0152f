// SPDX-License-Identifier: MIT
// OpenSearchNode.java - one OpenSearch node for tests: OpenSearchNode FOLDER PORT [key=value...]. It
// prints "up" when it answers, and runs until it is killed; its data survive that. What follows the
// port are settings of the node, and `plugins`: classes of plug-ins, by comma.
import org.codelibs.opensearch.runner.OpenSearchRunner;

public class OpenSearchNode {
    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[1]);
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.setMaxHttpPort(65000);
        runner.onBuild((number, settings) -> {
            settings.put("discovery.type", "single-node");
            settings.put("network.host", "127.0.0.1");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
            for (int i = 2; i < arguments.length; i++) {
                String[] setting = arguments[i].split("=", 2);
                if (!setting[0].equals("plugins"))
                    settings.put(setting[0], setting[1]);
            }
        });
        OpenSearchRunner.Configs configs = OpenSearchRunner.newConfigs();
        for (String argument : arguments)
            if (argument.startsWith("plugins="))
                configs.pluginTypes(argument.substring("plugins=".length()));
        // The runner counts its nodes from 1 and adds that to the port.
        runner.build(configs.basePath(arguments[0]).numOfNode(1)
                .baseHttpPort(port - 1).clusterName("weir-test").useLogger().printOnFailure());
        System.out.println("up");
        Thread.currentThread().join();
    }
}
