namespace PeftCore;

/// <summary>Input from outside (a file, a configuration, a flag) that cannot be used. The message is one sentence for the user:
/// what was found, where, what was expected, and the way out.</summary>
public class BadInputException : Exception
{
    /// <summary>Creates the exception with its one-sentence message.</summary>
    public BadInputException(string message) : base(message) { }

    /// <summary>Creates the exception with its one-sentence message and the error that led to it.</summary>
    public BadInputException(string message, Exception inner) : base(message, inner) { }
}
