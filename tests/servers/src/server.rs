//! A server, whichever way it runs.

use crate::container::Container;
use crate::process::Process;

/// A server that can be ended and started again.
#[derive(Debug)]
pub(crate) enum Server {
    Process(Process),
    Container(Container),
}

impl Server {
    /// Starts it; it may not be ready on return.
    pub(crate) fn start(&mut self) {
        match self {
            Self::Process(process) => process.start(),
            Self::Container(container) => container.start(),
        }
    }

    /// Whether it was started and has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        match self {
            Self::Process(process) => process.runs(),
            Self::Container(container) => container.runs(),
        }
    }

    /// SIGKILL to all its processes.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Process(process) => process.kill(),
            Self::Container(container) => container.kill(),
        }
    }

    /// Ends it at once, and for good.
    pub(crate) fn end(&mut self) {
        match self {
            Self::Process(process) => process.end(),
            Self::Container(container) => container.remove(),
        }
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        match self {
            Self::Process(process) => process.stop(),
            Self::Container(container) => container.stop(),
        }
    }

    /// Makes all its processes stand still.
    pub(crate) fn pause(&self) {
        match self {
            Self::Process(process) => process.pause(),
            Self::Container(container) => container.pause(),
        }
    }

    /// Lets them go on.
    pub(crate) fn resume(&self) {
        match self {
            Self::Process(process) => process.resume(),
            Self::Container(container) => container.resume(),
        }
    }

    /// SIGHUP: it reads its configuration again.
    pub(crate) fn reload(&self) {
        match self {
            Self::Process(process) => process.reload(),
            Self::Container(container) => container.reload(),
        }
    }

    /// The last of what it wrote.
    pub(crate) fn log(&self) -> String {
        match self {
            Self::Process(process) => process.log(),
            Self::Container(container) => container.log(),
        }
    }
}
