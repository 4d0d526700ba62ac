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
render(<Studio />, document.getElementById("studio")!);
performance.mark("studio-interactive");

if ("serviceWorker" in navigator && import.meta.env.PROD) {
  addEventListener("load", () => void navigator.serviceWorker.register("/sw.js").catch(() => {}));
}
