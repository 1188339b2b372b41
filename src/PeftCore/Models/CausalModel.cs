using PeftCore.Autograd;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A decoder: token embedding, blocks of causal self-attention, final norm, and a head, usually over the vocabulary. A family
/// derives from this class, adds its modules under the names of its weight files, and registers with
/// <see cref="ModelFamilies"/>.</summary>
public abstract class CausalModel : TransformerModel
{
    /// <summary>The linear layer from hidden states to logits.</summary>
    public abstract Linear Head { get; }

    /// <summary>The norm after the last block.</summary>
    public abstract Layer FinalNorm { get; }

    /// <inheritdoc/>
    public abstract override Nn.Embedding TokenEmbedding { get; }

    internal override Linear? OutputLayer => Head;

    internal override IReadOnlyList<Module> FinalNorms => [FinalNorm];

    /// <summary>The head of a decoder that does not predict tokens, such as one that classifies sequences; null for a language
    /// model.</summary>
    internal virtual TaskHead? OtherHead => null;

    /// <inheritdoc/>
    public override ModelTask Task => OtherHead?.Task ?? ModelTask.CausalLm;

    /// <summary>The longest sequences whose positions do not depend on their length, so that they can share a step with others.</summary>
    internal virtual int LengthOfSharedPositions => int.MaxValue;

    /// <summary>The model as a language model, which continues a text.</summary>
    /// <exception cref="BadInputException">It has another task.</exception>
    internal static CausalModel Of(TransformerModel model) =>
        model is null ? throw new ArgumentNullException(nameof(model)) : model is CausalModel { Task: ModelTask.CausalLm } causal ? causal
        : throw new BadInputException($"this {model.ModelType} model is for {TaskSpec.NameOf(model.Task)}, so it cannot continue a text; " +
            "load a language model");

    /// <summary>Declares the same model, still without weights, with an untied head.</summary>
    internal override CausalModel Untied()
    {
        Head.Untie();
        return this;
    }

    /// <summary>The hidden states after the final norm: (B, T) to (B, T, C), or (B, P + T, C) with P virtual tokens before each
    /// row.</summary>
    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        (var x, inputs) = Embed(inputs);
        x = AddPositions(x, inputs);
        for (int i = 0; i < LayerCount; i++)
        {
            x = RunsBlocksDirectly(inputs) ? Block(i, x, inputs) : RunBlock(i, x, inputs);
        }
        inputs.Cache?.Advance(inputs.Length + (inputs.Prefix?.Length ?? 0));
        return scope.Return(Finish(x));
    }

    /// <summary>The logits, (B, T, vocabulary).</summary>
    public override Tensor Logits(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(OtherHead is { } other ? other.Logits(Hidden(inputs), inputs) : LogitsOf(Hidden(inputs)));
    }

    /// <summary>Mean cross-entropy of predicting each target from the tokens before it, as a scalar.</summary>
    /// <param name="inputs">Tokens, positions and mask.</param>
    /// <param name="targets">The token that each position predicts.</param>
    public override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        if (OtherHead is { } other)
        {
            return scope.Return(WithPenalty(other.Loss(Hidden(inputs), inputs, targets), targets));
        }
        targets = VirtualTokens?.Prepend(targets, inputs.Batch) ?? targets;
        using var balance = NewBalance(inputs);
        var hidden = Hidden(inputs);
        using var head = new TensorScope(Head.Name);
        if (targets.Rows is { } rows)
        {
            hidden = hidden.Reshape([hidden.Shape.Rows, hidden.Shape.Columns]).Rows(rows);
        }
        var sum = Head.Hook is null && Head.Bias is null && LogitSoftCap == 0
            ? HeadInput(hidden).LinearCrossEntropy(Head.Weight.Value, targets.Tokens, 1)
            : LogitsOf(hidden).CrossEntropy(targets.Tokens, 1);
        var loss = sum.ScaleBy(targets.InverseCount);
        if (balance?.Loss() is { } imbalance)
        {
            loss += imbalance * (BalanceFactor * targets.Weight);
        }
        return scope.Return(head.Return(WithPenalty(loss, targets)));
    }

    /// <summary>The logits of hidden states: (…, C) to (…, vocabulary).</summary>
    internal Tensor LogitsOf(Tensor hidden)
    {
        using var scope = new TensorScope();
        var logits = Head.Forward(HeadInput(hidden));
        return scope.Return(LogitSoftCap == 0 ? logits : (logits * (1 / LogitSoftCap)).Activate<Tanh>() * LogitSoftCap);
    }

    /// <summary>The factor of the load-balancing loss of experts; 0 for none.</summary>
    private protected virtual float BalanceFactor => 0;

    /// <summary>Collects what the routers of a pass choose; null if no load-balancing loss is added.</summary>
    private RouterBalance? NewBalance(ModelInputs inputs)
    {
        if (BalanceFactor == 0)
        {
            return null;
        }
        return Recomputes(inputs) && Tape.IsRecording
            ? throw new BadInputException("the load-balancing loss of the experts (output_router_logits) has no gradient with gradient " +
                "checkpointing; leave one of them out")
            : new RouterBalance(tokens => inputs.TokenShares(tokens / inputs.Batch));
    }

    /// <summary>Factor of the logits, in families that have one.</summary>
    private protected virtual float LogitMultiplier => 1;

    /// <summary>Logits l become cap·tanh(l/cap); 0 for none.</summary>
    private protected virtual float LogitSoftCap => 0;

    /// <summary>What follows the last block.</summary>
    private protected virtual Tensor Finish(Tensor x) => FinalNorm.Forward(x);

    /// <summary>Adds learned position embeddings, in families that have them.</summary>
    protected virtual Tensor AddPositions(Tensor embedded, ModelInputs inputs) => embedded;

    /// <summary>Runs one block.</summary>
    protected abstract Tensor Block(int index, Tensor x, ModelInputs inputs);

    private Tensor RunBlock(int index, Tensor x, ModelInputs inputs) =>
        RunBlock(index, inputs, given => Block(index, given[0]!, inputs), x);

    private Tensor HeadInput(Tensor hidden) => LogitMultiplier == 1 ? hidden : hidden * LogitMultiplier;
}
