/** Dialogs: one frame, and one that only asks. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { type ReactNode, useId, useState } from 'react';
import { ProblemAlert } from './feedback.js';

interface DialogProps {
  readonly title: string;
  readonly description?: ReactNode;
  readonly wide?: boolean;
  readonly footer: ReactNode;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function Dialog({ title, description, wide, footer, onClose, children }: DialogProps) {
  const id = useId();
  return (
    <Modal isOpen variant={wide ? 'medium' : 'small'} onClose={onClose} aria-labelledby={id} position="top">
      <ModalHeader title={title} labelId={id} description={description} />
      <ModalBody>{children}</ModalBody>
      <ModalFooter>{footer}</ModalFooter>
    </Modal>
  );
}

interface ConfirmProps {
  readonly title: string;
  /** What happens, in full. */
  readonly children: ReactNode;
  /** The button's word: what is done, not "OK". */
  readonly verb: string;
  readonly isDanger?: boolean;
  readonly wide?: boolean;
  readonly action: () => Promise<unknown>;
  readonly onClose: () => void;
}

export function ConfirmDialog({ title, children, verb, isDanger, wide, action, onClose }: ConfirmProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const confirm = async () => {
    setBusy(true);
    try {
      await action();
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={title}
      wide={wide}
      onClose={onClose}
      footer={
        <>
          <Button
            variant={isDanger ? 'danger' : 'primary'}
            isLoading={busy}
            isDisabled={busy}
            onClick={() => void confirm()}
          >
            {verb}
          </Button>
          <Button variant="link" onClick={onClose}>
            Keep as it is
          </Button>
        </>
      }
    >
      {error !== undefined && <ProblemAlert error={error} />}
      {children}
    </Dialog>
  );
}
