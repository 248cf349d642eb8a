/** A list in a form: rows of fields that can be added and removed. */
import { Button, FormGroup, HelperText, HelperTextItem } from '@patternfly/react-core';
import type { ReactNode } from 'react';
import { AddIcon, RemoveIcon } from '../parts/icons.js';
import type { Form } from './form.js';

type Row = Readonly<Record<string, unknown>>;

interface RowsFieldProps {
  readonly form: Form;
  readonly name: string;
  readonly label: string;
  /** What one row is, such as `window`. */
  readonly noun: string;
  /** What holds without any row. */
  readonly none: string;
  readonly fresh: Row;
  /** The fields of a row, which is a form of its own to them; `replace` puts another in its place. */
  readonly children: (row: Form, replace: (by: Row) => void) => ReactNode;
}

export function RowsField({ form, name, label, noun, none, fresh, children }: RowsFieldProps) {
  const rows = form.values[name] as readonly Row[];
  const put = (index: number, row: Row) => form.set(name, rows.with(index, row));
  const rowForm = (index: number): Form => ({
    ...form,
    values: rows[index]!,
    set: (field, value) => put(index, { ...rows[index], [field]: value }),
    errorOf: (field) => form.errorOf(`${name}.${index}.${field}`),
  });
  const error = form.errorOf(name);
  return (
    <FormGroup role="group" label={label}>
      <div className="form-rows">
        {rows.length === 0 && <p className="subtle">{none}</p>}
        {rows.map((_, index) => (
          // A row has no name of its own, and none is put between others.
          // oxlint-disable-next-line react/no-array-index-key
          <div className="form-row" key={index} role="group" aria-label={`${noun} ${index + 1}`}>
            {children(rowForm(index), (by) => put(index, by))}
            <Button
              variant="plain"
              size="sm"
              aria-label={`Remove ${noun} ${index + 1}`}
              icon={<RemoveIcon />}
              onClick={() => form.set(name, rows.toSpliced(index, 1))}
            />
          </div>
        ))}
        {error && (
          <HelperText isLiveRegion>
            <HelperTextItem variant="error">{error}</HelperTextItem>
          </HelperText>
        )}
        <Button variant="link" isInline icon={<AddIcon />} onClick={() => form.set(name, [...rows, fresh])}>
          Add {noun}
        </Button>
      </div>
    </FormGroup>
  );
}
