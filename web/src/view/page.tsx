import type { Controller } from "../app/controller";
import type { Model } from "../app/model";
import { titled } from "../app/words";
import { Phase } from "../call/phase";
import { Call } from "./call";
import { Chooser } from "./chooser";
import { Door, Waiting } from "./door";
import { Mark } from "./icons";
import { Status } from "./status";

/** The whole page. */
export function Page({ model, does }: { model: Model; does: Controller }) {
  const talking = model.call.phase !== Phase.Choosing;
  return (
    <div class={talking ? "page talking" : "page"}>
      <header class="top">
        <p class="brand">
          <Mark />
          Trunkline
        </p>
        {talking && (
          <>
            <p class="with">
              {titled(model.call.assistant)}
              {model.call.active !== null && model.call.active !== model.call.assistant && (
                <span class="active">{titled(model.call.active)}</span>
              )}
            </p>
            <Status call={model.call} />
          </>
        )}
      </header>
      <Body model={model} does={does} />
    </div>
  );
}

function Body({ model, does }: { model: Model; does: Controller }) {
  if (model.call.phase !== Phase.Choosing) {
    return <Call model={model} does={does} />;
  }
  switch (model.door) {
    case "token":
      return <Door model={model} does={does} />;
    case "unknown":
      return <Waiting model={model} does={does} />;
    case "open":
      return <Chooser model={model} does={does} />;
  }
}
