using System.Text;

namespace PeftCore.Fuzz.Inputs;

/// <summary>The expected outcome of an input.</summary>
internal enum Expectation
{
    /// <summary>Accepted or rejected: only crashes, hangs and wrong values are failures.</summary>
    Any,

    /// <summary>A valid input, which must be accepted.</summary>
    Accept,

    /// <summary>A malformed input, which must be rejected.</summary>
    Refuse,

    /// <summary>A contradictory input, which must cause an error, or a warning that names one of <see cref="FuzzInput.Names"/>.</summary>
    RefuseOrWarn,
}

/// <summary>A file of an input: its name in the directory and its bytes.</summary>
internal readonly record struct FuzzFile(string Name, byte[] Bytes)
{
    public FuzzFile(string name, string text) : this(name, Encoding.UTF8.GetBytes(text))
    {
    }
}

/// <summary>One input.</summary>
/// <param name="Rule">The generator's rule, by which failures are grouped.</param>
/// <param name="Expectation">The expected outcome.</param>
/// <param name="Files">Its files.</param>
internal sealed record FuzzInput(string Rule, Expectation Expectation, params IReadOnlyList<FuzzFile> Files)
{
    /// <summary>Words of which a warning must contain one.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];

    /// <summary>Further information for the reader, such as the base model of the files.</summary>
    public string Context { get; init; } = "";

    /// <summary>The expected value, with which the reader compares an accepted input.</summary>
    public object? Meaning { get; init; }

    public byte[] this[string name] => Files.First(file => file.Name == name).Bytes;

    public int Length => Files.Sum(file => file.Bytes.Length);
}
