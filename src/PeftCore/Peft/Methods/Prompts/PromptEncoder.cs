using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Makes what one adapter puts before every sequence. Its file holds the result; where a network makes it, that network trains,
/// and only a checkpoint holds it.</summary>
internal abstract class PromptEncoder(int count)
{
    /// <summary>The result's key in a file.</summary>
    public const string Key = "prompt_embeddings";

    private const string MemoryPrefix = "prompt_encoder.{0}.";

    /// <summary>How many places it takes before the first token.</summary>
    public int Count => count;

    /// <summary>What trains.</summary>
    public abstract IEnumerable<AdapterParameter> Parameters { get; }

    /// <summary>What the adapter's file holds.</summary>
    public abstract IEnumerable<SavedEntry> Entries { get; }

    /// <summary>Whether the parameters are those of a network, which the adapter's file does not hold.</summary>
    public virtual bool IsNetwork => false;

    /// <summary>A parameter with Hugging Face's name in memory and its key in a file.</summary>
    protected static AdapterParameter Named(string memory, string file, Parameter parameter) =>
        new("", MemoryPrefix + memory, file, parameter, IsWhole: true);

    /// <summary>An entry that is computed when it is written, and cannot be read back: no network can be found from its result.</summary>
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

/// <summary>Makes virtual tokens that the model reads before the tokens of a sequence.</summary>
internal abstract class TokenPrompt(int count) : PromptEncoder(count)
{
    /// <summary>The virtual tokens.</summary>
    /// <param name="task">The task a row belongs to, where there are several.</param>
    /// <returns>(tokens, hidden)</returns>
    public abstract Tensor Rows(int task);

    /// <exception cref="BadInputException">There is no such task.</exception>
    public virtual void CheckTask(int task) { }
}
