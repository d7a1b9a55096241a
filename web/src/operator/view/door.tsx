import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { Mark } from "../../view/icons";
import type { Problem } from "../api";
import type { Phase } from "../watch";
import { refusal } from "../words";

/** Asks for an administrator's token. */
export function Door({
  problem,
  enter,
}: {
  /** Why the last one was no good; null if there was none. */
  problem: Problem | null;
  enter: (token: string) => void;
}) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    field.current?.focus();
  }, []);
  const wrong = problem === null ? null : refusal(problem);
  return (
    <Outside>
      <form
        class="panel"
        onSubmit={(event) => {
          event.preventDefault();
          const token = field.current?.value.trim() ?? "";
          if (field.current !== null) field.current.value = "";
          enter(token);
        }}
      >
        <h1>Operator</h1>
        <p>
          Sessions are seen and ended with an administrator’s token, also on a server whose callers
          need none.
        </p>
        <label for="token">Administrator’s token</label>
        <input
          ref={field}
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          aria-describedby={wrong === null ? "token-note" : "token-problem token-note"}
        />
        {wrong !== null && (
          <p class="trouble" id="token-problem" role="alert">
            {wrong}
          </p>
        )}
        <button class="primary" type="submit">
          Open
        </button>
        <p class="note" id="token-note">
          One of <code>TRUNKLINE_ADMIN_TOKENS</code>, or made with{" "}
          <code>trunkline token new --name NAME --admin</code>. It stays in this tab, and is
          forgotten with it.
        </p>
      </form>
    </Outside>
  );
}

/** Shown until the server has answered once. */
export function Waiting({ problem }: { problem: Extract<Phase, { name: "gone" }> | null }) {
  return (
    <Outside>
      {problem === null ? (
        <p class="quiet">Asking the server…</p>
      ) : (
        <div class="panel">
          <h1>{problem.problem === null ? "The server does not answer" : "Not now"}</h1>
          <p class="trouble" role="alert">
            {problem.problem === null
              ? "Is it running, and is this machine on its network?"
              : refusal(problem.problem)}
          </p>
          <p>It is asked again every two seconds.</p>
        </div>
      )}
    </Outside>
  );
}

function Outside({ children }: { children: ComponentChildren }) {
  return (
    <div class="operator">
      <header class="bar">
        <p class="brand">
          <Mark /> Trunkline
        </p>
        <p class="place">Operator</p>
      </header>
      <main class="door">{children}</main>
    </div>
  );
}
