import { render } from "preact";
import { Studio } from "./studio";
import { reportErrors } from "./report";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/shell.css";
import "./styles/create.css";
import "./styles/model.css";
import "./styles/views.css";

reportErrors();
// A newer server has other files: the page that asks for an old one is an old page.
addEventListener("vite:preloadError", (event) => {
  event.preventDefault();
  location.reload();
});
render(<Studio />, document.getElementById("studio")!);
performance.mark("studio-interactive");

if ("serviceWorker" in navigator && import.meta.env.PROD) {
  addEventListener("load", () => void navigator.serviceWorker.register("/sw.js").catch(() => {}));
}
