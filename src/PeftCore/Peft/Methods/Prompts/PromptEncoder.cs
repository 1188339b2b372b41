using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Computes the virtual tokens, or the keys and values, that one adapter prepends to every sequence. The adapter's file holds the
/// result; if a network computes it, only a checkpoint holds the network.</summary>
internal abstract class PromptEncoder(int count)
{
    /// <summary>The key of the result in a file.</summary>
    public const string Key = "prompt_embeddings";

    private const string MemoryPrefix = "prompt_encoder.{0}.";

    /// <summary>Number of positions prepended to a sequence.</summary>
    public int Count => count;

    /// <summary>The trained parameters.</summary>
    public abstract IEnumerable<AdapterParameter> Parameters { get; }

    /// <summary>The tensors in the adapter's file.</summary>
    public abstract IEnumerable<SavedEntry> Entries { get; }

    /// <summary>Whether a network computes the result; the adapter's file does not hold its parameters.</summary>
    public virtual bool IsNetwork => false;

    /// <summary>A parameter with Hugging Face's name in memory and its key in a file.</summary>
    protected static AdapterParameter Named(string memory, string file, Parameter parameter) =>
        new("", MemoryPrefix + memory, file, parameter, IsWhole: true);

    /// <summary>An entry that is computed when it is written. It cannot be read back, because the network cannot be recovered from its
    /// output.</summary>
    protected static SavedEntry Computed(Func<Tensor> result) =>
        new(Key, () => ToFile(result), entry => throw CannotRead(entry), entry => throw CannotRead(entry));

    private static SafetensorsTensor ToFile(Func<Tensor> result)
    {
        using var scope = new TensorScope();
        var value = Tape.NoGrad(result); // (tokens, columns)
        return new SafetensorsTensor(Key, "F32", [value.Shape.Rows, value.Shape.Columns], value.ToBytes());
    }

    private static BadInputException CannotRead(WeightEntry entry) =>
        entry.Error("is what a network made, and the network that trains here cannot be found from it; load the adapter anew, or go on " +
        "from a checkpoint, which keeps the network");
}

/// <summary>Computes virtual tokens, which the model embeds before the tokens of a sequence.</summary>
internal abstract class TokenPrompt(int count) : PromptEncoder(count)
{
    /// <summary>The virtual tokens.</summary>
    /// <param name="task">The task of the row; 0 for adapters of one task.</param>
    /// <returns>(tokens, hidden)</returns>
    public abstract Tensor Rows(int task);

    /// <summary>The rows of a table, or of a network's output, that the model reads: the first ones.</summary>
    protected Tensor Read(Tensor rows) => rows.Shape[0] == Count ? rows : rows.Slice(0, Count);

    /// <exception cref="BadInputException">There is no such task.</exception>
    public virtual void CheckTask(int task) { }
}
