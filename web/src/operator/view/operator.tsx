import { useEffect, useState } from "preact/hooks";

import { keepToken, keptToken } from "../token";
import { Watch } from "../watch";
import type { View } from "../watch";
import { Door, Waiting } from "./door";
import { Desk } from "./desk";

/** The operator's page: the door, and behind it the desk. */
export function Operator() {
  const [token, setToken] = useState(keptToken());
  const [view, setView] = useState<View | null>(null);
  const [watch, setWatch] = useState<Watch | null>(null);
  // A new one for the same token too: it is asked for again.
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    // Nothing is asked without a token: the server would count it as somebody whom it refused.
    if (token === "") return;
    const watching = new Watch(token, setView);
    setWatch(watching);
    watching.start();
    return () => {
      watching.stop();
      setView(null);
    };
  }, [token, attempt]);

  const asking = view?.phase.name === "asking";
  useEffect(() => {
    if (asking) keepToken(""); // what was no good is not tried again
  }, [asking]);

  const enter = (given: string) => {
    keepToken(given);
    setToken(given);
    setAttempt(attempt + 1);
  };
  if (token === "") return <Door problem={null} enter={enter} />;
  if (view === null || watch === null) return <Waiting problem={null} />;
  if (view.phase.name === "asking") {
    return <Door problem={view.phase.problem} enter={enter} />;
  }
  if (view.page === null) {
    return <Waiting problem={view.phase.name === "gone" ? view.phase : null} />;
  }
  return (
    <Desk
      view={view}
      page={view.page}
      watch={watch}
      leave={() => {
        enter("");
      }}
    />
  );
}
