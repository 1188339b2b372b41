using PeftCore.Autograd;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>An encoder-decoder (Sutskever et al. 2014; Vaswani et al. 2017): an encoder reads the source text, and a decoder predicts the
/// tokens of the target text from the encoder's hidden states and the target's tokens so far.</summary>
internal abstract class Seq2SeqModel : TransformerModel
{
    /// <summary>Blocks of the decoder; <see cref="TransformerModel.LayerCount"/> counts those of the encoder.</summary>
    public abstract int DecoderLayerCount { get; }

    /// <summary>Longest source text, in hidden states of the encoder.</summary>
    private protected virtual int MaxSourceLength => MaxLength;

    /// <summary>The token before the first of every target text.</summary>
    public abstract int DecoderStartToken { get; }

    /// <summary>The padding token.</summary>
    public abstract int PadToken { get; }

    public override ModelTask Task => ModelTask.Seq2SeqLm;

    /// <summary>The layer from the decoder's hidden states to logits over the vocabulary.</summary>
    public abstract Linear Head { get; }

    internal override Linear? OutputLayer => Head;

    internal override int BlockCount => LayerCount + DecoderLayerCount;

    /// <summary>F32 (vocabulary): a constant that is added to the logits; null for none.</summary>
    private protected virtual Tensor? LogitsBias => null;

    /// <summary>The model as an encoder-decoder that generates text.</summary>
    /// <exception cref="BadInputException">It is none.</exception>
    internal static Seq2SeqModel Of(TransformerModel model) => model as Seq2SeqModel is { Task: ModelTask.Seq2SeqLm or ModelTask.SpeechToText } generates ? generates
        : throw new BadInputException($"this {model.ModelType} model is for {TaskSpec.NameOf(model.Task)}, so it has no target texts; " +
            "load an encoder-decoder");

    /// <summary>The model itself, without weights, with an untied head.</summary>
    internal override Seq2SeqModel Untied()
    {
        Head.Untie();
        return this;
    }

    public override ModelInputs ToInputs(InputArrays arrays)
    {
        var encoder = ToSource(arrays);
        int[] labels = arrays.Labels ?? throw new BadInputException(
            $"a {ModelType} model needs the tokens of the target text as labels, because its decoder reads them");
        var inputs = encoder.WithDecoder(ShiftRight(labels, arrays.BatchSize));
        // What the pass reads is uploaded before it, so that the pass can be captured. Virtual tokens change the inputs in the pass.
        if (VirtualTokenCount == 0)
        {
            Upload(inputs, inputs.Decoder!);
        }
        return inputs;
    }

    /// <summary>Uploads what the encoder reads: tokens, or sound.</summary>
    private protected virtual ModelInputs ToSource(InputArrays arrays) => ModelInputs.Bidirectional(Backend, arrays);

    /// <summary>Uploads what the two stacks read of their inputs beside tokens, positions and ranges.</summary>
    private protected virtual void Upload(ModelInputs encoder, ModelInputs decoder) { }

    /// <summary>The decoder's inputs from the labels of a batch: each row one place later, with a start token first.</summary>
    /// <param name="labels">(B, T'): −100 for padding.</param>
    /// <param name="batch">Rows B.</param>
    private protected virtual int[] ShiftRight(int[] labels, int batch) =>
        ShiftedLabels.FromStart(labels, batch, DecoderStartToken, PadToken);

    /// <summary>The decoder's hidden states after its last norm: (B, T) to (B, T', C).</summary>
    public override Tensor Hidden(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        var (states, encoder) = Encode(inputs);
        var decoder = inputs.Decoder ?? throw new ArgumentException("the inputs have no target text", nameof(inputs));
        return scope.Return(Decode(decoder.Crossing(encoder), states));
    }

    public override Tensor Logits(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        return scope.Return(HeadLogits(Hidden(inputs)));
    }

    public override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        using var scope = new TensorScope();
        var hidden = Hidden(inputs);
        using var head = new TensorScope(Head.Name);
        if (targets.Rows is { } rows)
        {
            hidden = hidden.Reshape([hidden.Shape.Rows, hidden.Shape.Columns]).Rows(rows);
        }
        var sum = Head.Hook is null && Head.Bias is null && LogitsBias is null
            ? HeadInput(hidden).LinearCrossEntropy(Head.Weight.Value, targets.Tokens, 1)
            : HeadLogits(hidden).CrossEntropy(targets.Tokens, 1);
        var loss = sum.ScaleBy(targets.InverseCount);
        return scope.Return(head.Return(WithPenalty(loss, targets)));
    }

    /// <summary>The encoder's hidden states after its last norm, (B, T, C), or (B, P + T, C) with P virtual tokens before each source text,
    /// and the inputs they belong to.</summary>
    internal (Tensor States, ModelInputs Inputs) Encode(ModelInputs inputs)
    {
        using var scope = new TensorScope("encoder");
        var x = EmbedInputs(inputs);
        if (VirtualTokens is { } before)
        {
            (x, inputs) = before.PrependTokens(x, inputs);
        }
        CheckLength(inputs, "source", MaxSourceLength);
        x = EmbedSource(x, inputs);
        var bias = EncoderBias(inputs);
        for (int i = 0; i < LayerCount; i++)
        {
            int layer = i;
            x = Recomputes(inputs) ? Recompute.Run(given => EncoderBlock(layer, given[0]!, given[1], inputs), x, bias)
                : EncoderBlock(layer, x, bias, inputs);
        }
        return (scope.Return(FinishEncoder(x)), inputs);
    }

    /// <summary>The decoder's hidden states after its last norm, (B, T', C).</summary>
    /// <param name="inputs">The target text so far, with <see cref="ModelInputs.CrossRanges"/>.</param>
    /// <param name="states">The encoder's hidden states; null if the cross-attention's keys are cached.</param>
    internal Tensor Decode(ModelInputs inputs, Tensor? states)
    {
        using var scope = new TensorScope("decoder");
        if (VirtualTokens is { } before && inputs.Cache is not { Length: > 0 })
        {
            inputs = before.PrependPrefix(inputs);
        }
        CheckLength(inputs, "target", MaxLength);
        var x = EmbedTarget(EmbedTokens(inputs.Ids), inputs);
        var bias = DecoderBias(inputs);
        for (int i = 0; i < DecoderLayerCount; i++)
        {
            int layer = i;
            x = Recomputes(inputs)
                ? Recompute.Run(given => DecoderBlock(layer, given[0]!, given[1], given[2], inputs), x, states, bias)
                : DecoderBlock(layer, x, states, bias, inputs);
        }
        inputs.Cache?.Advance(inputs.Length + (inputs.Prefix?.Length ?? 0));
        return scope.Return(FinishDecoder(x));
    }

    /// <summary>The logits of hidden states, (…, C) to (…, vocabulary).</summary>
    internal Tensor HeadLogits(Tensor hidden)
    {
        using var scope = new TensorScope();
        var logits = Head.Forward(HeadInput(hidden));
        return scope.Return(LogitsBias is { } bias ? logits.AddRow(bias) : logits);
    }

    /// <summary>The head's input, such as scaled hidden states.</summary>
    private protected virtual Tensor HeadInput(Tensor hidden) => hidden;

    /// <summary>Finishes the embedding of the source: positions, norm, dropout.</summary>
    private protected abstract Tensor EmbedSource(Tensor embedded, ModelInputs inputs);

    /// <summary>Finishes the embedding of the target.</summary>
    private protected abstract Tensor EmbedTarget(Tensor embedded, ModelInputs inputs);

    /// <summary>The bias of the encoder's attention scores that all its blocks share; null for none.</summary>
    private protected virtual Tensor? EncoderBias(ModelInputs inputs) => null;

    /// <summary>The bias of the decoder's self-attention scores that all its blocks share; null for none.</summary>
    private protected virtual Tensor? DecoderBias(ModelInputs inputs) => null;

    /// <summary>Runs one block of the encoder.</summary>
    private protected abstract Tensor EncoderBlock(int index, Tensor x, Tensor? bias, ModelInputs inputs);

    /// <summary>Runs one block of the decoder.</summary>
    private protected abstract Tensor DecoderBlock(int index, Tensor x, Tensor? states, Tensor? bias, ModelInputs inputs);

    /// <summary>The attention to the encoder of a decoder's block.</summary>
    internal abstract StackAttention CrossAttentionOf(int block);

    /// <summary>Last norm and dropout of the encoder.</summary>
    private protected abstract Tensor FinishEncoder(Tensor x);

    /// <summary>Last norm and dropout of the decoder.</summary>
    private protected abstract Tensor FinishDecoder(Tensor x);

    private static void CheckLength(ModelInputs inputs, string side, int most)
    {
        if (inputs.Longest > most)
        {
            throw new BadInputException($"a {side} text of {inputs.Longest} tokens is longer than the {most} this model allows; " +
                $"shorten it or lower the maximum {side} length");
        }
    }
}
