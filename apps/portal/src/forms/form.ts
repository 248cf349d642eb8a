/** A form's values, checked by the same zod schema as the controller checks them with. */
import { useState } from 'react';
import { z } from 'zod';
import { ApiError } from '#client';

type Values = Readonly<Record<string, unknown>>;

export interface Form {
  readonly values: Values;
  readonly set: (name: string, value: unknown) => void;
  /** What is wrong with a field, if anything; one in a row of a list: `windows.0.cron`. */
  readonly errorOf: (name: string) => string | undefined;
  /** An error that belongs to no field. */
  readonly problem: unknown;
  readonly isBusy: boolean;
}

/** What is wrong with a value, in words for people. */
function explain(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined || issue.input === '' ? 'fill this in' : `must be a ${issue.expected}`;
    case 'too_small':
      return issue.origin === 'string' ? issue.message : `at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string' ? `at most ${issue.maximum} characters` : `at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

interface FormOptions<S extends z.ZodObject> {
  readonly schema: S;
  readonly initial: z.input<S>;
}

export function useForm<S extends z.ZodObject>({ schema, initial }: FormOptions<S>) {
  const [values, setValues] = useState<Values>(initial as Values);
  const [errors, setErrors] = useState<Readonly<Record<string, string>>>({});
  const [problem, setProblem] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);

  const set = (name: string, value: unknown) => {
    setValues((before) => ({ ...before, [name]: value }));
    setErrors((before) =>
      Object.fromEntries(Object.entries(before).filter(([field]) => field !== name && !field.startsWith(`${name}.`))),
    );
  };

  /** The valid value, or undefined with the fields' errors shown. */
  const check = (): z.output<S> | undefined => {
    const result = schema.safeParse(values, { reportInput: true });
    if (result.success) return result.data;
    setErrors(
      Object.fromEntries(
        result.error.issues.flatMap((issue) => {
          const first = String(issue.path[0] ?? '');
          // Rows of a list show what is wrong with their own fields.
          const names = Array.isArray(values[first]) ? [] : [first];
          return [...names, issue.path.join('.')].map((name) => [name, explain(issue)]);
        }),
      ),
    );
    return undefined;
  };

  /** Runs the action with the valid value. True: done; else fields or form say why not. */
  const submit = async (action: (value: z.output<S>) => Promise<unknown>): Promise<boolean> => {
    const value = check();
    if (value === undefined) return false;
    setBusy(true);
    setProblem(undefined);
    try {
      await action(value);
      return true;
    } catch (error) {
      const named = error instanceof ApiError ? error.errors : [];
      // The controller names nested fields in full, such as schedulingPolicy.parameters.MinimumGain.
      const last = (field: string) => field.split('.').at(-1) ?? field;
      setErrors(
        Object.fromEntries(named.flatMap(({ field, message }) => [field, last(field)].map((name) => [name, message]))),
      );
      const isShown = ({ field }: { field: string }) =>
        last(field) in values || (field.split('.')[0] ?? field) in values;
      if (named.length === 0 || !named.every(isShown)) setProblem(error);
      return false;
    } finally {
      setBusy(false);
    }
  };

  const reset = (to: z.input<S>) => {
    setValues(to as Values);
    setErrors({});
    setProblem(undefined);
  };

  return { values, set, errorOf: (name: string) => errors[name], problem, isBusy, check, submit, reset };
}

/** The fields of a group within a form, as a form of their own. */
export function groupOf(form: Form, name: string): Form {
  const values = form.values[name] as Values;
  return {
    ...form,
    values,
    set: (field, value) => form.set(name, { ...values, [field]: value }),
    errorOf: (field) => form.errorOf(`${name}.${field}`),
  };
}
