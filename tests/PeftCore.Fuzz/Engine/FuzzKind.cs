using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Engine;

/// <summary>A kind of input: how to make one, and what reads it.</summary>
internal abstract class FuzzKind
{
    /// <summary>Its name in the table and on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Its share of a run of all kinds, out of 100.</summary>
    public abstract int Share { get; }

    public abstract FuzzInput Make(FuzzRandom random);

    /// <summary>Opens what one thread reads its inputs with.</summary>
    /// <param name="directory">An empty directory for files.</param>
    public abstract FuzzSubject Open(string directory);
}

/// <summary>What one thread reads its inputs with: a directory, and perhaps a loaded model.</summary>
internal abstract class FuzzSubject(string directory) : IDisposable
{
    public string Directory => directory;

    /// <summary>Whether a refusal must name the file it is about.</summary>
    public virtual bool NamesFiles => true;

    /// <summary>Prepares what is not part of the reading, such as writing the input's files.</summary>
    public virtual void Prepare(FuzzInput input)
    {
        foreach (var file in input.Files)
        {
            File.WriteAllBytes(Path.Combine(directory, file.Name), file.Bytes);
        }
    }

    /// <summary>Reads an input with the library.</summary>
    /// <exception cref="BadInputException">It is refused.</exception>
    public abstract Reading Read(FuzzInput input);

    public virtual void Dispose()
    {
    }
}

/// <summary>What came of an input that was read.</summary>
/// <param name="Warnings">What was said about it.</param>
/// <param name="Difference">What was read wrongly; null if nothing was.</param>
internal sealed record Reading(IReadOnlyCollection<string> Warnings, string? Difference = null)
{
    public static Reading Silent { get; } = new([]);
}
