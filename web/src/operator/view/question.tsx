import { useEffect, useRef, useState } from "preact/hooks";

import type { ServerInfo } from "../api";
import { carryOut, confirmation, failure } from "../questions";
import type { Question } from "../questions";
import type { Watch } from "../watch";

interface Asked {
  question: Question;
  watch: Watch;
  info: ServerInfo | null;
  sessions: number | null;
  /** Called with what came of it, or null if nothing was done. */
  done: (words: string | null) => void;
}

/** Asks before something is done. */
export function Ask({ question, watch, info, sessions, done }: Asked) {
  const dialog = useRef<HTMLDialogElement>(null);
  // What came of it; the dialog is closed first, as that gives the focus back.
  const outcome = useRef<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  // It says what was asked: numbers that change under a reader's eyes are not agreed to.
  const [words] = useState(confirmation(question, info, sessions));
  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  const act = async () => {
    setBusy(true);
    const answer = await carryOut(question, watch.server);
    setBusy(false);
    if (answer.kind === "ok") {
      outcome.current = answer.value;
      dialog.current?.close();
    } else setTrouble(failure(answer));
  };
  return (
    <dialog
      ref={dialog}
      class="question"
      aria-labelledby="question-title"
      aria-describedby="question-words"
      onClose={() => {
        done(outcome.current);
      }}
    >
      <h2 id="question-title">{words.title}</h2>
      <div id="question-words">
        {words.consequences.map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
      </div>
      {trouble !== null && (
        <p class="trouble" role="alert">
          {trouble}
        </p>
      )}
      <p class="actions">
        <button class="secondary" type="button" autofocus onClick={() => dialog.current?.close()}>
          {trouble === null ? "Cancel" : "Close"}
        </button>
        <button class="primary grave" type="button" disabled={busy} onClick={() => void act()}>
          {words.action}
        </button>
      </p>
    </dialog>
  );
}
