namespace PeftCore.Tensors;

/// <summary>The shapes, dtypes or devices of an op's tensors do not fit together. The message names the op, the shapes and dtypes, and what
/// was expected.</summary>
public sealed class ShapeException : ArgumentException
{
    /// <summary>Creates the exception for an op; the message gives the actual and the expected shapes.</summary>
    internal ShapeException(string op, string message) : base($"{op}: {message}") { }
}
