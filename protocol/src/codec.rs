//! MessagePack with field names, framed by length: what the agents' service speaks on the wire.
//!
//! Names rather than positions, so that a field can be added without breaking the previous release.

use bytes::{Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use std::{io, marker::PhantomData, pin::Pin};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

/// The longest message either side accepts. A task of a job with thousands of segments stays far below.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest message to or from somebody without an identity: an invitation and a certificate are below 4 KiB.
pub const JOINING_BYTES_MAX: usize = 16 * 1024;

/// Serializes `Out` and deserializes `In` as MessagePack maps.
pub struct NamedMessagePack<In, Out>(PhantomData<fn() -> (In, Out)>);

impl<In, Out> Default for NamedMessagePack<In, Out> {
    fn default() -> Self {
        NamedMessagePack(PhantomData)
    }
}

impl<In: DeserializeOwned, Out> tokio_serde::Deserializer<In> for NamedMessagePack<In, Out> {
    type Error = io::Error;
    fn deserialize(self: Pin<&mut Self>, source: &BytesMut) -> Result<In, io::Error> {
        rmp_serde::from_slice(source).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))
    }
}

impl<In, Out: Serialize> tokio_serde::Serializer<Out> for NamedMessagePack<In, Out> {
    type Error = io::Error;
    fn serialize(self: Pin<&mut Self>, item: &Out) -> Result<Bytes, io::Error> {
        let bytes = rmp_serde::to_vec_named(item).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))?;
        Ok(bytes.into())
    }
}

/// A tarpc transport over any byte stream: TLS, or a Unix socket on the daemon's own machine.
pub type Transport<Stream, In, Out> = tarpc::serde_transport::Transport<Stream, In, Out, NamedMessagePack<In, Out>>;

/// Wraps a connected byte stream.
pub fn transport<Stream, In, Out>(stream: Stream) -> Transport<Stream, In, Out>
where
    Stream: AsyncRead + AsyncWrite,
    In: DeserializeOwned,
    Out: Serialize,
{
    limited(stream, MESSAGE_BYTES_MAX)
}

/// Wraps a connected byte stream on which no message is longer than this; a longer one ends the connection before any
/// of it is kept.
pub fn limited<Stream, In, Out>(stream: Stream, message_bytes_max: usize) -> Transport<Stream, In, Out>
where
    Stream: AsyncRead + AsyncWrite,
    In: DeserializeOwned,
    Out: Serialize,
{
    let framing = LengthDelimitedCodec::builder().max_frame_length(message_bytes_max).new_codec();
    tarpc::serde_transport::new(Framed::new(stream, framing), NamedMessagePack::default())
}
