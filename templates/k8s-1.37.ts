import { kubernetesNode } from "./kubernetes/node.ts";

export default kubernetesNode("1.37");
