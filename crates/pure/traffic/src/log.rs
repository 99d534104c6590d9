//! Access logs: which requests and connections leave a record, and what stands in it.
//!
//! Spec: Envoy, "Access logging". Reading a configuration refuses what is not done here, with its path. Writing is live's: this
//! room makes lines out of [`Facts`].

mod facts;
mod filter;
mod format;
mod json;
mod operator;
mod time;
mod value;

use std::sync::Arc;

pub use facts::{Contact, Facts, Kind, Times};
use filter::Filter;
use format::Format;
use xds::accesslog::{self as proto, file_access_log, stderr_access_log, stdout_access_log};

use crate::{
    compile::{Bad, Within as _, unpack},
    dice::Dice,
};

/// One access log of a listener, a connection manager or a TCP proxy.
#[derive(Debug)]
pub struct Log {
    /// Where its lines go.
    pub target: Target,
    filter: Option<Filter>,
    format: Format,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, which is appended to.
    File(Arc<str>),
}

impl Target {
    fn of_path(path: &str) -> Result<Self, Bad> {
        match path {
            "" => Err(Bad::new("path", "is empty")),
            "/dev/stdout" => Ok(Self::Stdout),
            "/dev/stderr" => Ok(Self::Stderr),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl Log {
    /// Reads the access logs of one place, under the name of their field.
    pub(crate) fn compile_all(logs: &[proto::AccessLog]) -> Result<Vec<Self>, Bad> {
        logs.iter()
            .enumerate()
            .map(|(at, log)| Self::compile(log).within_item("access_log", at))
            .collect()
    }

    fn compile(log: &proto::AccessLog) -> Result<Self, Bad> {
        let filter = log.filter.as_ref().map(Filter::compile).transpose().within("filter")?;
        let Some(proto::access_log::ConfigType::TypedConfig(any)) = &log.config_type else {
            return Err(Bad::new("typed_config", "is not set"));
        };
        let (target, format) = if any.is::<proto::FileAccessLog>() {
            let file: proto::FileAccessLog = unpack(any)?;
            Self::file(&file).within("typed_config")?
        } else if any.is::<proto::StdoutAccessLog>() {
            let stream: proto::StdoutAccessLog = unpack(any)?;
            let format = stream.access_log_format.as_ref();
            let format = format.map(|stdout_access_log::AccessLogFormat::LogFormat(it)| it);
            (Target::Stdout, Format::of(format).within("typed_config.log_format")?)
        } else if any.is::<proto::StderrAccessLog>() {
            let stream: proto::StderrAccessLog = unpack(any)?;
            let format = stream.access_log_format.as_ref();
            let format = format.map(|stderr_access_log::AccessLogFormat::LogFormat(it)| it);
            (Target::Stderr, Format::of(format).within("typed_config.log_format")?)
        } else {
            return Err(Bad::unsupported(format!("typed_config ({})", any.type_name())));
        };
        Ok(Self { target, filter, format })
    }

    fn file(file: &proto::FileAccessLog) -> Result<(Target, Format), Bad> {
        use file_access_log::AccessLogFormat as Form;
        let target = Target::of_path(&file.path)?;
        let format = match &file.access_log_format {
            None => Format::of(None)?,
            Some(Form::LogFormat(format)) => Format::of(Some(format)).within("log_format")?,
            // What became of these before the format had a message of its own.
            Some(Form::Format(text)) => Format::text(text, false).within("format")?,
            Some(Form::JsonFormat(fields)) => Format::json(fields, false).within("json_format")?,
            Some(Form::TypedJsonFormat(fields)) => {
                Format::json(fields, false).within("typed_json_format")?
            }
        };
        Ok((target, format))
    }

    /// Appends the record of what these facts say; false when a filter wants none.
    pub fn write(&self, facts: &Facts<'_>, dice: &mut Dice, out: &mut Vec<u8>) -> bool {
        if self.filter.as_ref().is_some_and(|filter| !filter.passes(facts, dice)) {
            return false;
        }
        self.format.write(facts, dice, out);
        true
    }
}

#[cfg(test)]
mod tests;
