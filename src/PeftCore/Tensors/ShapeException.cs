namespace PeftCore.Tensors;

/// <summary>Tensors given to an op do not fit together. The message names the op, the shapes and dtypes, and what was expected.</summary>
public sealed class ShapeException : ArgumentException
{
    /// <summary>Creates the exception for an op, saying what it got and what it expected.</summary>
    public ShapeException(string op, string message) : base($"{op}: {message}") { }
}
