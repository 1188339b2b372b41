using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A causal language model: token embedding, decoder blocks, final norm, and a head over the vocabulary. A family derives from
/// this class, adds its modules under the names of its weight files, and registers with <see cref="ModelFamilies"/>.</summary>
public abstract class CausalModel : Module
{
    /// <summary>model_type of config.json, such as "llama".</summary>
    public abstract string ModelType { get; }

    /// <summary>Tokens in the vocabulary.</summary>
    public int VocabularySize => TokenEmbedding.Weight.Shape[0];

    /// <summary>Size of a hidden state, C.</summary>
    public abstract int HiddenSize { get; }

    /// <summary>Number of blocks.</summary>
    public abstract int LayerCount { get; }

    /// <summary>Maximum sequence length.</summary>
    public abstract int MaxLength { get; }

    /// <summary>Whether backward recomputes each block from its input, which is all it saves.</summary>
    public bool GradientCheckpointing { get; set; }

    /// <summary>The token embedding.</summary>
    public abstract Embedding TokenEmbedding { get; }

    /// <summary>The linear layer from hidden states to logits.</summary>
    public abstract Linear Head { get; }

    /// <summary>A term that is added to the loss in training, such as an adapter's regularisation; null without one.</summary>
    internal Func<Tensor?>? Penalty { get; set; }

    /// <summary>Prefix of all parameter names but the head's. Weight files of the bare model leave it out.</summary>
    public virtual string BasePrefix => "";

    /// <summary>Query heads.</summary>
    public abstract int HeadCount { get; }

    /// <summary>Key and value heads.</summary>
    public virtual int KeyHeadCount => HeadCount;

    /// <summary>Size of one head.</summary>
    public virtual int HeadDim => HiddenSize / HeadCount;

    /// <summary>Size of the keys of one token and layer: key heads times head dim.</summary>
    internal int KeyColumns => KeyHeadCount * HeadDim;

    /// <summary>The norm after the last block.</summary>
    public abstract Layer FinalNorm { get; }

    /// <summary>The residual additions of a block.</summary>
    /// <exception cref="BadInputException">The family does not name them.</exception>
    internal virtual BlockResiduals ResidualsOf(int block) => throw new BadInputException(
        $"{ModelType} models do not name the residual additions of their blocks, which this method needs; choose one that changes layers");

    /// <summary>Virtual tokens or prefixes before every sequence; null without any.</summary>
    internal IVirtualTokens? VirtualTokens { get; set; }

    /// <summary>The device of the weights.</summary>
    internal Backend Backend => TokenEmbedding.Weight.Value.Backend;

    /// <summary>Positions of the context that the virtual tokens of the active adapters take; 0 without any.</summary>
    public int VirtualTokenCount => VirtualTokens?.Count ?? 0;

    /// <summary>Declares the same model, still without weights, with an untied head.</summary>
    internal virtual CausalModel Untied()
    {
        Head.Untie();
        return this;
    }

    /// <summary>Whether a name in a weight file is a buffer, which is not loaded.</summary>
    internal virtual bool IsBuffer(string name) => false;

    /// <summary>The original vocabulary size, if the token tables were resized.</summary>
    internal int? ResizedFrom { get; set; }

    /// <summary>Resizes the token embedding and the head, for example after adding tokens to a tokenizer. New rows are the mean of the old
    /// ones; Hugging Face transformers draws them around that mean with a tiny deviation. A tied head stays tied.</summary>
    /// <param name="rows">The new vocabulary size.</param>
    /// <exception cref="BadInputException">The size is not positive, or adapters are attached, whose shapes depend on the
    /// tables.</exception>
    public void ResizeTokenEmbeddings(int rows) => TokenTables.Resize(this, rows);

    /// <summary>The hidden states after the final norm: (B, T) to (B, T, C), or (B, P + T, C) with P virtual tokens before each
    /// row.</summary>
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

    /// <summary>The logits, (B, T, vocabulary).</summary>
    public Tensor Logits(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        return scope.Return(HeadLogits(Hidden(inputs)));
    }

    /// <summary>Mean cross-entropy of predicting each target from the tokens before it, as a scalar.</summary>
    /// <param name="inputs">Tokens, positions and mask.</param>
    /// <param name="targets">The token that each position predicts.</param>
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
        var sum = Head.Hook is null && Head.Bias is null
            ? hidden.LinearCrossEntropy(Head.Weight.Value, targets.Tokens, 1)
            : HeadLogits(hidden).CrossEntropy(targets.Tokens, 1);
        var loss = sum.ScaleBy(targets.InverseCount);
        return scope.Return(head.Return(Tape.IsRecording && Penalty?.Invoke() is { } penalty ? loss + penalty * targets.Weight : loss));
    }

    /// <summary>Adds learned position embeddings, in families that have them.</summary>
    protected virtual Tensor AddPositions(Tensor embedded, ModelInputs inputs) => embedded;

    /// <summary>Runs one block.</summary>
    protected abstract Tensor Block(int index, Tensor x, ModelInputs inputs);

    private Tensor HeadLogits(Tensor hidden) => Head.Forward(hidden);
}
