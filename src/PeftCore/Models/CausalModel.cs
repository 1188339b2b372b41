using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A decoder that predicts the next token: embedding, blocks, a last norm, and a head over the vocabulary.</summary>
public abstract class CausalModel : Module
{
    /// <summary>Family name as config.json has it, such as "llama".</summary>
    public abstract string ModelType { get; }

    /// <summary>Tokens in the vocabulary.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>Columns of hidden states.</summary>
    public abstract int HiddenSize { get; }

    /// <summary>Number of blocks.</summary>
    public abstract int LayerCount { get; }

    /// <summary>Longest sequence the model was made for.</summary>
    public abstract int MaxLength { get; }

    /// <summary>Whether blocks keep only their input and run again in backward.</summary>
    public bool GradientCheckpointing { get; set; }

    /// <summary>The token embedding.</summary>
    public abstract Embedding TokenEmbedding { get; }

    /// <summary>The map from hidden states to logits.</summary>
    public abstract Linear Head { get; }

    /// <summary>What is added to the loss while gradients are recorded, such as an adapter's regularisation; null for nothing.</summary>
    internal Func<Tensor?>? Penalty { get; set; }

    /// <summary>Prefix of all names but the head's, which weight files made from the bare model leave out.</summary>
    public abstract string BasePrefix { get; }

    /// <summary>Heads of the queries.</summary>
    internal abstract int HeadCount { get; }

    /// <summary>Heads of the keys and values.</summary>
    internal abstract int KeyHeadCount { get; }

    /// <summary>Columns of the keys of one layer.</summary>
    internal abstract int KeyColumns { get; }

    /// <summary>The norm behind the last block.</summary>
    internal abstract Layer FinalNorm { get; }

    /// <summary>Where the sublayers of a block join its stream.</summary>
    internal abstract BlockResiduals SumsOf(int block);

    /// <summary>What stands before every sequence without being in the input; null without any.</summary>
    internal IVirtualTokens? VirtualTokens { get; set; }

    /// <summary>The device of the weights.</summary>
    internal IBackend Backend => TokenEmbedding.Weight.Value.Backend;

    /// <summary>Declares the same model with a table of its own for the head.</summary>
    internal abstract CausalModel Untied();

    /// <summary>Names in a weight file that hold nothing to load.</summary>
    internal virtual bool IsBuffer(string name) => false;

    /// <summary>The vocabulary the model was loaded with, if its token tables have another number of rows now.</summary>
    internal int? ResizedFrom { get; set; }

    /// <summary>Gives the token embedding and the head another number of rows, as after adding tokens to a tokenizer. New rows are the mean
    /// of those that are there, around which Hugging Face transformers draws them with a deviation of nearly nothing; a tied head stays
    /// tied.</summary>
    /// <param name="rows">Tokens of the vocabulary from now on.</param>
    /// <exception cref="BadInputException">There is no such number of rows, or adapters are attached, which have the shapes of the tables
    /// as they are.</exception>
    public void ResizeTokenEmbeddings(int rows) => TokenTables.Resize(this, rows);

    /// <summary>(batch, length) tokens to (batch, length, hidden) states after the last norm. Virtual tokens that an adapter puts before
    /// them are read as well and come first in the length.</summary>
    public Tensor Hidden(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        var x = TokenEmbedding.Forward(inputs.Ids);
        if (VirtualTokens is { } before && inputs.Cache is not { Length: > 0 })
        {
            (x, inputs) = before.Prepend(x, inputs);
        }
        if (inputs.Longest > MaxLength)
        {
            throw new BadInputException($"a sequence of {inputs.Longest} tokens is longer than the {MaxLength} this model allows; " +
                "shorten it or lower the maximum sequence length");
        }
        x = AddPositions(x, inputs);
        for (int i = 0; i < LayerCount; i++)
        {
            int layer = i;
            x = GradientCheckpointing && inputs.Cache is null
                ? Recompute.Run(h => Block(layer, h, inputs), x)
                : Block(layer, x, inputs);
        }
        inputs.Cache?.Advance(inputs.Length + (inputs.Prefix?.Length ?? 0));
        return scope.Return(FinalNorm.Forward(x));
    }

    /// <summary>(batch, length, vocabulary) logits.</summary>
    public Tensor Logits(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        return scope.Return(HeadLogits(Hidden(inputs)));
    }

    /// <summary>Mean cross-entropy of predicting each target from the tokens before it, as a scalar.</summary>
    /// <param name="inputs">What the model reads.</param>
    /// <param name="targets">The token each position should predict; see <see cref="Targets"/>.</param>
    public Tensor Loss(ModelInputs inputs, Targets targets)
    {
        using var scope = new TensorScope();
        targets = VirtualTokens?.Prepend(targets, inputs.Batch) ?? targets;
        var hidden = Hidden(inputs);
        using var head = new TensorScope(Head.Name);
        if (targets.Rows is { } rows)
        {
            hidden = hidden.Reshape([hidden.Shape.Rows, hidden.Shape.Columns]).Rows(rows);
        }
        var sum = Head.Tuner is null && Head.Bias is null
            ? hidden.LinearCrossEntropy(Head.Weight.Value, targets.Tokens, 1)
            : HeadLogits(hidden).CrossEntropy(targets.Tokens, 1);
        var loss = sum.ScaleBy(targets.InverseCount);
        return scope.Return(head.Return(Tape.IsRecording && Penalty?.Invoke() is { } penalty ? loss + penalty * targets.Weight : loss));
    }

    /// <summary>Adds positions to embedded tokens, where the family does.</summary>
    protected virtual Tensor AddPositions(Tensor embedded, ModelInputs inputs) => embedded;

    /// <summary>Runs one block.</summary>
    protected abstract Tensor Block(int index, Tensor x, ModelInputs inputs);

    private Tensor HeadLogits(Tensor hidden) => Head.Forward(hidden);
}
