/** Short messages at the corner: what an action did, or why it failed. */
import { Alert, AlertActionCloseButton, AlertGroup } from '@patternfly/react-core';
import { createContext, type ReactNode, useContext, useMemo, useState } from 'react';
import { ProblemText } from './feedback.js';

interface Toast {
  readonly id: number;
  readonly variant: 'success' | 'danger';
  readonly title: string;
  readonly error?: unknown;
}

/** Runs an action; says `done` when it worked, else `failed` and why. */
type Act = <T>(action: () => Promise<T>, done: string | ((answer: T) => string), failed: string) => Promise<void>;

interface Toasts {
  readonly act: Act;
  /** Says that something worked. */
  readonly say: (title: string) => void;
}

const ToastContext = createContext<Toasts | null>(null);

export function useToasts(): Toasts {
  const toasts = useContext(ToastContext);
  if (!toasts) throw new Error('useToasts is called outside of ToastProvider');
  return toasts;
}

let lastId = 0;

export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const drop = (id: number) => setToasts((before) => before.filter((toast) => toast.id !== id));
  const value = useMemo<Toasts>(() => {
    const add = (toast: Omit<Toast, 'id'>) => setToasts((before) => [...before.slice(-3), { ...toast, id: ++lastId }]);
    const say = (title: string) => add({ variant: 'success', title });
    const act: Act = async (action, done, failed) => {
      try {
        const answer = await action();
        say(typeof done === 'string' ? done : done(answer));
      } catch (error) {
        add({ variant: 'danger', title: failed, error });
      }
    };
    return { act, say };
  }, []);
  return (
    <ToastContext value={value}>
      {children}
      <AlertGroup isToast isLiveRegion>
        {toasts.map(({ id, variant, title, error }) => (
          <Alert
            key={id}
            variant={variant}
            title={title}
            timeout={variant === 'success' ? 4000 : false}
            onTimeout={() => drop(id)}
            actionClose={<AlertActionCloseButton title={title} onClose={() => drop(id)} />}
          >
            {error !== undefined && <ProblemText error={error} />}
          </Alert>
        ))}
      </AlertGroup>
    </ToastContext>
  );
}
