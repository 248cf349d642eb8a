/** A dialog with a form in it. */
import { Button, Form as FormLayout } from '@patternfly/react-core';
import { type ReactNode, useId } from 'react';
import { Dialog } from '../parts/dialog.js';
import { ProblemAlert } from '../parts/feedback.js';
import type { Form } from './form.js';

interface FormDialogProps {
  readonly title: string;
  readonly description?: ReactNode;
  readonly form: Form;
  readonly verb: string;
  readonly isDanger?: boolean;
  readonly wide?: boolean;
  readonly onSubmit: () => void;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function FormDialog(props: FormDialogProps) {
  const { title, description, form, verb, isDanger, wide, onSubmit, onClose, children } = props;
  const id = useId();
  return (
    <Dialog
      title={title}
      description={description}
      wide={wide}
      onClose={onClose}
      footer={
        <>
          <Button
            type="submit"
            form={id}
            variant={isDanger ? 'danger' : 'primary'}
            isLoading={form.isBusy}
            isDisabled={form.isBusy}
          >
            {verb}
          </Button>
          <Button variant="link" onClick={onClose}>
            Cancel
          </Button>
        </>
      }
    >
      <FormLayout
        id={id}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit();
        }}
      >
        {form.problem !== undefined && <ProblemAlert error={form.problem} />}
        {children}
      </FormLayout>
    </Dialog>
  );
}
