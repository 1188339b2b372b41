namespace PeftCore.Fuzz.Engine;

/// <summary>Outcomes of an input.</summary>
internal enum Outcome
{
    /// <summary>Rejected with a one-sentence error.</summary>
    Refused,

    /// <summary>Accepted without a warning.</summary>
    Accepted,

    /// <summary>Accepted with a warning.</summary>
    Warned,

    /// <summary>An exception other than that for bad input, such as out of memory.</summary>
    Crash,

    /// <summary>More than a second of processor time.</summary>
    Hang,

    /// <summary>A contradictory or malformed input that was accepted without a warning, or a wrong value.</summary>
    Silent,

    /// <summary>A valid input that was rejected.</summary>
    WronglyRefused,

    /// <summary>An error that is not one sentence with the file's name.</summary>
    Unclear,
}

/// <summary>An outcome with its group and message.</summary>
/// <param name="Outcome">The outcome.</param>
/// <param name="Signature">The key of the group of failures.</param>
/// <param name="Detail">The message, the exception or the difference.</param>
internal sealed record Verdict(Outcome Outcome, string Signature, string Detail)
{
    public bool IsFailure => Outcome >= Outcome.Crash;
}
