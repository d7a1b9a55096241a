import { render } from "preact";

import "@fontsource-variable/inter/wght.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/chooser.css";
import "./style/call.css";
import "./style/timeline.css";
import "./style/panel.css";
import { Controller } from "./app/controller";
import type { Model } from "./app/model";
import { Server } from "./link/server";
import { mounted } from "./mount";
import { Page } from "./view/page";

const root = mounted();
let due = false;

/** Draw the page once for everything that happens at the same time. */
function changed(): void {
  if (due) {
    return;
  }
  due = true;
  queueMicrotask(() => {
    due = false;
    draw(controller.model);
  });
}

const controller = new Controller(new Server(), changed);

function draw(model: Model): void {
  render(<Page model={model} does={controller} />, root);
}

draw(controller.model);
void controller.load();
