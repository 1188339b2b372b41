namespace PeftCore.Fuzz.Engine;

/// <summary>What came of one input.</summary>
internal enum Outcome
{
    /// <summary>Refused in one sentence.</summary>
    Refused,

    /// <summary>Read, without a word.</summary>
    Accepted,

    /// <summary>Read, with a warning.</summary>
    Warned,

    /// <summary>An exception that is none for bad input, such as one for want of memory.</summary>
    Crash,

    /// <summary>More than a second of processor time.</summary>
    Hang,

    /// <summary>A contradiction or a malformed input that was read without a word, or a value that was read wrongly.</summary>
    Silent,

    /// <summary>A valid input that was refused.</summary>
    WronglyRefused,

    /// <summary>A refusal that is not one sentence with the file's name.</summary>
    Unclear,
}

/// <summary>An outcome and what to say about it.</summary>
/// <param name="Outcome">The outcome.</param>
/// <param name="Signature">Under what failures of one kind are counted together.</param>
/// <param name="Detail">The message, the exception or the difference.</param>
internal sealed record Verdict(Outcome Outcome, string Signature, string Detail)
{
    public bool IsFailure => Outcome >= Outcome.Crash;
}
