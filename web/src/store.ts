/** A value that tells when it changes. Knows nothing of what it holds. */

export interface Store<T> {
  get(): T;
  /** Sets the value and tells all who listen, in the order in which they came, unless it is the same. */
  set(next: T): void;
  /** Calls the listener with the value now, and whenever it changes; returns what ends that. */
  subscribe(listener: (value: T) => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<(value: T) => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(next);
    },
    subscribe(listener) {
      listeners.add(listener);
      listener(value);
      return () => listeners.delete(listener);
    },
  };
}
