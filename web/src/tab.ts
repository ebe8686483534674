/** Whether somebody looks at the page. Knows nothing of what is on it. */

export interface Tab {
  isHidden(): boolean;
  /** Calls the listener when somebody looks again, or the network is back; returns what ends that. */
  onReturn(listener: () => void): () => void;
}

export function browserTab(): Tab {
  return {
    isHidden: () => document.hidden,
    onReturn(listener) {
      const listening = new AbortController();
      const { signal } = listening;
      const seen = (): void => {
        if (!document.hidden) listener();
      };
      document.addEventListener("visibilitychange", seen, { signal });
      addEventListener("online", seen, { signal });
      return () => listening.abort();
    },
  };
}
