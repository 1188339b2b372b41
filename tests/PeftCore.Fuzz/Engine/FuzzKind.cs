using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Engine;

/// <summary>A kind of input: a generator and a reader.</summary>
internal abstract class FuzzKind
{
    /// <summary>The name in the table and on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Percentage of inputs of this kind in a run of all kinds.</summary>
    public abstract int Share { get; }

    public abstract FuzzInput Make(FuzzRandom random);

    /// <summary>Opens a reader for one thread.</summary>
    /// <param name="directory">An empty directory for files.</param>
    public abstract FuzzSubject Open(string directory);
}

/// <summary>The reader of one thread: a directory, and for some kinds a loaded model.</summary>
internal abstract class FuzzSubject(string directory) : IDisposable
{
    public string Directory => directory;

    /// <summary>Whether an error must name the file.</summary>
    public virtual bool NamesFiles => true;

    /// <summary>Runs the untimed preparation, such as writing the input's files.</summary>
    public virtual void Prepare(FuzzInput input)
    {
        foreach (var file in input.Files)
        {
            File.WriteAllBytes(Path.Combine(directory, file.Name), file.Bytes);
        }
    }

    /// <summary>Reads an input with the library.</summary>
    /// <exception cref="BadInputException">The input is rejected.</exception>
    public abstract Reading Read(FuzzInput input);

    public virtual void Dispose()
    {
    }
}

/// <summary>The result of an input that was accepted.</summary>
/// <param name="Warnings">The warnings.</param>
/// <param name="Difference">The wrong value; null if there is none.</param>
internal sealed record Reading(IReadOnlyCollection<string> Warnings, string? Difference = null)
{
    public static Reading Silent { get; } = new([]);
}
