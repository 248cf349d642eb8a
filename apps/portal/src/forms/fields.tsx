/** Fields of a form: label, input, unit, help and error, tied together for screen readers. */
import {
  Checkbox,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  InputGroup,
  InputGroupItem,
  InputGroupText,
  TextInput,
} from '@patternfly/react-core';
import { type ReactNode, useId } from 'react';
import type { Form } from './form.js';

interface FieldProps {
  readonly form: Form;
  readonly name: string;
  readonly label: string;
  readonly help?: string;
  readonly isRequired?: boolean;
}

function Frame({
  form,
  name,
  label,
  help,
  isRequired,
  id,
  children,
}: FieldProps & { id: string; children: ReactNode }) {
  const error = form.errorOf(name);
  return (
    <FormGroup label={label} fieldId={id} isRequired={isRequired}>
      {children}
      {(error || help) && (
        <FormHelperText>
          <HelperText id={`${id}-help`} isLiveRegion={Boolean(error)}>
            <HelperTextItem variant={error ? 'error' : 'default'}>{error ?? help}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      )}
    </FormGroup>
  );
}

/** The help or error below the field, if there is any. */
const describedBy = ({ form, name, help }: FieldProps, id: string) =>
  form.errorOf(name) || help ? `${id}-help` : undefined;

const validatedOf = (form: Form, name: string) => (form.errorOf(name) ? 'error' : 'default');

export function TextField(props: FieldProps & { placeholder?: string; isMonospace?: boolean }) {
  const { form, name, isRequired, placeholder, isMonospace } = props;
  const id = useId();
  return (
    <Frame {...props} id={id}>
      <TextInput
        id={id}
        value={String(form.values[name] ?? '')}
        onChange={(_, value) => form.set(name, value)}
        validated={validatedOf(form, name)}
        aria-describedby={describedBy(props, id)}
        isRequired={isRequired}
        placeholder={placeholder}
        className={isMonospace ? 'monospace' : undefined}
        autoComplete="off"
        spellCheck={false}
      />
    </Frame>
  );
}

/** Not shown, and not filled in by the browser. */
export function PasswordField(props: FieldProps) {
  const { form, name } = props;
  const id = useId();
  return (
    <Frame {...props} id={id}>
      <TextInput
        id={id}
        type="password"
        value={String(form.values[name] ?? '')}
        onChange={(_, value) => form.set(name, value)}
        validated={validatedOf(form, name)}
        aria-describedby={describedBy(props, id)}
        autoComplete="new-password"
      />
    </Frame>
  );
}

/** An empty field is undefined, or null where `emptyIsNull`. */
export function NumberField(
  props: FieldProps & { unit?: string; emptyIsNull?: boolean; placeholder?: string; step?: number | 'any' },
) {
  const { form, name, isRequired, unit, emptyIsNull, step = 'any' } = props;
  const { placeholder = emptyIsNull ? 'no limit' : undefined } = props;
  const id = useId();
  const value = form.values[name];
  return (
    <Frame {...props} id={id}>
      <InputGroup className="number-field">
        <InputGroupItem isFill>
          <TextInput
            id={id}
            type="number"
            step={step}
            value={typeof value === 'number' ? value : ''}
            onChange={(_, text) => form.set(name, text === '' ? (emptyIsNull ? null : undefined) : Number(text))}
            validated={validatedOf(form, name)}
            aria-describedby={describedBy(props, id)}
            isRequired={isRequired}
            placeholder={placeholder}
          />
        </InputGroupItem>
        {unit && (
          <InputGroupItem>
            <InputGroupText>{unit}</InputGroupText>
          </InputGroupItem>
        )}
      </InputGroup>
    </Frame>
  );
}

/** `none`: the first choice, which stands for null. */
export function SelectField(
  props: FieldProps & { options: readonly { value: string; label: string; isDisabled?: boolean }[]; none?: string },
) {
  const { form, name, isRequired, options, none } = props;
  const id = useId();
  return (
    <Frame {...props} id={id}>
      <FormSelect
        id={id}
        value={(form.values[name] as string | null) ?? ''}
        onChange={(_, value) => form.set(name, value === '' ? null : value)}
        validated={validatedOf(form, name)}
        aria-describedby={describedBy(props, id)}
        isRequired={isRequired}
      >
        {none !== undefined && <FormSelectOption value="" label={none} />}
        {options.map((option) => (
          <FormSelectOption key={option.value} {...option} />
        ))}
      </FormSelect>
    </Frame>
  );
}

export function CheckField({ form, name, label, help }: FieldProps) {
  const id = useId();
  return (
    <Checkbox
      id={id}
      label={label}
      description={help}
      isChecked={form.values[name] === true}
      onChange={(_, checked) => form.set(name, checked)}
    />
  );
}
