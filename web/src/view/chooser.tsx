import { sentence, titled } from "../app/words";
import type { Controller } from "../app/controller";
import type { Model } from "../app/model";
import type { Assistant } from "../link/server";
import { Embedded } from "./embedded";
import { Icon } from "./icons";

/** The assistants, and the two ways to talk to one. */
export function Chooser({ model, does }: { model: Model; does: Controller }) {
  const { assistants, services, chosen, trouble } = model;
  const voice = services?.calls === true;
  return (
    <main class="chooser">
      <div class="welcome">
        <h1>Who would you like to talk to?</h1>
        <p>Choose an assistant, allow the microphone, and speak. Or type: it answers both.</p>
      </div>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void does.start("voice");
        }}
      >
        <fieldset class="cards">
          <legend class="unseen">Assistants</legend>
          {assistants.map((one) => (
            <Card
              key={one.name}
              assistant={one}
              chosen={one.name === chosen}
              onChoose={() => {
                does.choose(one.name);
              }}
            />
          ))}
        </fieldset>
        <div class="begin">
          {trouble !== null && (
            <p class="trouble" role="alert">
              {trouble}
            </p>
          )}
          {!voice && services !== null && <p class="trouble">This server takes no calls.</p>}
          <div class="actions">
            <button class="primary" type="submit" disabled={!voice}>
              <Icon name="microphone" />
              Talk to {titled(chosen)}
            </button>
            <button
              class="secondary"
              type="button"
              disabled={!voice}
              onClick={() => void does.start("typed")}
            >
              <Icon name="keyboard" />
              Type instead
            </button>
          </div>
        </div>
        <Embedded services={services} />
      </form>
    </main>
  );
}

interface CardProps {
  assistant: Assistant;
  chosen: boolean;
  onChoose: () => void;
}

function Card({ assistant, chosen, onChoose }: CardProps) {
  const example = assistant.phrases.find((phrase) => phrase.split(" ").length > 3);
  return (
    <label class={chosen ? "card chosen" : "card"}>
      <input
        class="unseen"
        type="radio"
        name="assistant"
        value={assistant.name}
        checked={chosen}
        onChange={onChoose}
      />
      <span class="card-name">{titled(assistant.name)}</span>
      <span class="card-about">{assistant.description}</span>
      {example !== undefined && <span class="card-example">“{sentence(example)}”</span>}
      <span class="card-mark">
        <Icon name="check" />
      </span>
    </label>
  );
}
