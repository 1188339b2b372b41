using System.Text;

namespace PeftCore.Fuzz.Inputs;

/// <summary>What the reading of an input must end with.</summary>
internal enum Expectation
{
    /// <summary>Either: only crashes, hangs and wrong values count.</summary>
    Any,

    /// <summary>It is valid, and must be read.</summary>
    Accept,

    /// <summary>It is malformed, and must be refused.</summary>
    Refuse,

    /// <summary>It contradicts itself: a refusal, or a warning that names one of <see cref="FuzzInput.Names"/>.</summary>
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
/// <param name="Rule">The generator's rule, under which failures are counted together.</param>
/// <param name="Expectation">What must come of it.</param>
/// <param name="Files">Its files.</param>
internal sealed record FuzzInput(string Rule, Expectation Expectation, params IReadOnlyList<FuzzFile> Files)
{
    /// <summary>Words of which a warning must hold one.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];

    /// <summary>What the subject must know besides the files, such as which base model they go with.</summary>
    public string Context { get; init; } = "";

    /// <summary>What was read is compared with this by the subject, after acceptance.</summary>
    public object? Meaning { get; init; }

    public byte[] this[string name] => Files.First(file => file.Name == name).Bytes;

    public int Length => Files.Sum(file => file.Bytes.Length);
}
