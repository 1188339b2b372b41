using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Classifies a sequence by the decoder's state of its last end-of-text token, as BART and T5 do in transformers: the decoder
/// reads the source too, one place later. y = out_proj(dropout(tanh(dense(dropout(x))))).</summary>
internal sealed class ClassificationHead : Layer
{
    private readonly DropoutSite _first;
    private readonly DropoutSite _second;
    private readonly Linear _dense;

    /// <summary>Declares the layers.</summary>
    /// <param name="hiddenSize">Size of a hidden state.</param>
    /// <param name="classes">Classes.</param>
    /// <param name="dropout">Probability of dropout.</param>
    /// <param name="block">A number of blocks that no block has, for the sites of dropout.</param>
    public ClassificationHead(int hiddenSize, int classes, float dropout, int block)
    {
        (_first, _second) = (new DropoutSite(dropout, block, 0), new DropoutSite(dropout, block, 1));
        _dense = Add("dense", new Linear(hiddenSize, hiddenSize, bias: true));
        Output = Add("out_proj", new Linear(hiddenSize, classes, bias: true));
    }

    /// <summary>The last layer.</summary>
    public Linear Output { get; }

    protected internal override Tensor Compute(Tensor x) // (B, C)
    {
        var h = _dense.Forward(x.Dropout(_first.Now(Mode))).Activate<Kernels.Tanh>();
        return Output.Forward(h.Dropout(_second.Now(Mode)));
    }
}

/// <summary>What the heads of encoder-decoders read of config.json.</summary>
/// <param name="Dropout">Probability of dropout in the head.</param>
/// <param name="EndToken">The end-of-text token, whose state classifies a sequence; null for other tasks.</param>
internal sealed record Seq2SeqHeadFields(float Dropout, int? EndToken)
{
    /// <summary>A head without dropout that does not classify sequences.</summary>
    public static Seq2SeqHeadFields None { get; } = new(0, null);

    /// <summary>Reads the fields that a task needs.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="task">The task.</param>
    /// <param name="usualEnd">The family's end-of-text token.</param>
    /// <param name="vocabulary">Tokens in the vocabulary.</param>
    public static Seq2SeqHeadFields Read(ConfigReader config, ModelTask task, int usualEnd, int vocabulary) =>
        task is not (ModelTask.SequenceClassification or ModelTask.TokenClassification) ? None
        : new(DecoderFields.Dropout(config, "classifier_dropout", 0), task == ModelTask.SequenceClassification
            ? Seq2SeqFields.Token(config, "eos_token_id", usualEnd, vocabulary) : null);
}
