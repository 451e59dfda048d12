import { render } from "preact";
import { App } from "./app";
import { exposeDebug } from "./debug";
import "./styles/page.css";
import { Page } from "./views/page";

const root = document.getElementById("app");
if (root) {
  const app = new App();
  exposeDebug(app);
  render(<Page app={app} />, root);
}
