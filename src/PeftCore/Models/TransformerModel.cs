using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A transformer with a head for one task: a decoder, an encoder, or both. It reads tokens, pictures, sound, or several of them.
/// PEFT methods attach to it, trainers train it.</summary>
public abstract partial class TransformerModel : Module
{
    private Backend? _backend;

    /// <summary>model_type of config.json, such as "llama".</summary>
    public abstract string ModelType { get; }

    /// <summary>The task of the head.</summary>
    public abstract ModelTask Task { get; }

    /// <summary>The class names of a head that classifies, in the order of its outputs; empty for others.</summary>
    public virtual IReadOnlyList<string> Labels => [];

    /// <summary>What a head that classifies learns: see <see cref="TaskOptions.ProblemType"/>. Null for other tasks.</summary>
    public virtual string? ProblemType => null;

    /// <summary>How embeddings of texts are made: see <see cref="TaskOptions.Pooling"/>. Null for the default, and for other
    /// tasks.</summary>
    internal virtual string? Pooling => null;

    /// <summary>The temperature of contrastive training: see <see cref="TaskOptions.Temperature"/>. Null for the default, and for other
    /// tasks.</summary>
    internal virtual float? Temperature => null;

    /// <summary>Tokens in the vocabulary; for a model that reads none the symbols that it writes, or 0.</summary>
    public int VocabularySize => TokenTable?.Weight.Shape[0] ?? WrittenSymbols;

    /// <summary>Symbols that a model without tokens writes; 0 for none.</summary>
    internal virtual int WrittenSymbols => 0;

    /// <summary>Size of a hidden state, C.</summary>
    public abstract int HiddenSize { get; }

    /// <summary>Number of blocks.</summary>
    public abstract int LayerCount { get; }

    /// <summary>Maximum sequence length.</summary>
    public abstract int MaxLength { get; }

    /// <summary>The token embedding.</summary>
    /// <exception cref="BadInputException">The model reads no tokens: it reads pictures, or sound.</exception>
    public virtual Embedding TokenEmbedding => throw new BadInputException(
        $"{ModelType} models read no tokens, so they have no token embedding; choose a method that changes layers, such as LoRA");

    /// <summary>Whether the model reads tokens; one that does not has no <see cref="TokenEmbedding"/>.</summary>
    internal virtual bool ReadsTokens => true;

    /// <summary>What a sample of the model holds, for plans and benchmarks.</summary>
    /// <param name="length">The tokens of a row, or the samples of a recording, that the caller asks for.</param>
    internal virtual SampleSizes InputsOf(int length) => new(length);

    /// <summary>The token embedding; null in a model that reads no tokens.</summary>
    internal Embedding? TokenTable => ReadsTokens ? TokenEmbedding : null;

    /// <summary>The last linear layer of the head, whose rows are tokens or classes; null if the model returns hidden states.</summary>
    internal abstract Linear? OutputLayer { get; }

    /// <summary>The linear layer from hidden states to logits over the vocabulary; null if the head has another task.</summary>
    internal Linear? VocabularyHead => OutputLayer is { } layer && layer.Outputs == VocabularySize
        && TaskSpec.PredictsTokens(Task) ? layer : null;

    /// <summary>Whether the head's matrix is the token embedding.</summary>
    public bool IsTied => VocabularyHead is { } head && head.Weight == TokenTable?.Weight;

    /// <summary>A term that is added to the loss in training, such as an adapter's regularisation; null without one.</summary>
    internal Func<Tensor?>? Penalty { get; set; }

    /// <summary>Query heads.</summary>
    public abstract int HeadCount { get; }

    /// <summary>Key and value heads.</summary>
    internal virtual int KeyHeadCount => HeadCount;

    /// <summary>Size of one head.</summary>
    public virtual int HeadDim => HiddenSize / HeadCount;

    /// <summary>Size of the keys of one token and layer: key heads times head dim.</summary>
    internal int KeyColumns => KeyHeadCount * HeadDim;

    /// <summary>Size of the values of one token and layer.</summary>
    internal virtual int ValueColumns => KeyColumns;

    /// <summary>Names of the modules of the head, which adapters train and save in full, as Hugging Face PEFT does: none for models over
    /// the vocabulary.</summary>
    internal virtual IReadOnlyList<string> HeadModules => [];

    /// <summary>The name by which adapters save the head of a task if no module has one of Hugging Face PEFT's names.</summary>
    internal virtual string HeadName => OutputLayer!.Name;

    /// <summary>The token whose last state in a row classifies it, so that every row must have it; null if any row can be
    /// classified.</summary>
    internal int? ClassifiedToken { get; private protected set; }

    /// <summary>The norms after the last block.</summary>
    internal virtual IReadOnlyList<Module> FinalNorms => [];

    /// <summary>The modules of the head: those of <see cref="HeadModules"/>, or the layer over the vocabulary.</summary>
    internal IReadOnlyList<Module> HeadLayers => HeadModules.Count > 0 ? [.. HeadModules.Select(name => Find(name)!)]
        : OutputLayer is { } layer ? [layer] : throw new BadInputException($"this {ModelType} model returns hidden states: it has no " +
            "head to train");

    /// <summary>Number of blocks that <see cref="ResidualsOf"/> counts: those of an encoder, then those of a decoder.</summary>
    internal virtual int BlockCount => LayerCount;

    /// <summary>Whether learned keys and values may come before those of the tokens, as in prefix tuning.</summary>
    internal virtual bool TakesPrefix => true;

    /// <summary>Whether learned tokens may come before those of a text, as in prompt tuning.</summary>
    internal virtual bool TakesPrompts => ReadsTokens;

    /// <summary>Size of a hidden state of a block; it may differ in models of several stacks.</summary>
    internal virtual int HiddenSizeOf(int block) => HiddenSize;

    /// <summary>The residual additions of a block.</summary>
    /// <exception cref="BadInputException">The family does not name them.</exception>
    internal virtual BlockResiduals ResidualsOf(int block) => throw new BadInputException(
        $"{ModelType} models do not name the residual additions of their blocks, which this method needs; choose one that changes layers");

    /// <summary>Virtual tokens or prefixes before every sequence; null without any.</summary>
    internal IVirtualTokens? VirtualTokens { get; set; }

    /// <summary>The adapters that calls run with; null for a model without.</summary>
    internal ICallAdapters? CallAdapters { get; set; }

    /// <summary>The device of the weights.</summary>
    internal Backend Backend => TokenTable?.Weight.Value.Backend ?? (_backend ??= NamedParameters().First().Parameter.Value.Backend);

    /// <summary>Positions of the context that the virtual tokens of the active adapters take; 0 without any.</summary>
    public int VirtualTokenCount => VirtualTokens?.Count ?? 0;

    /// <summary>Declares the same model, still without weights, with an untied head.</summary>
    internal virtual TransformerModel Untied()
    {
        OutputLayer?.Untie();
        return this;
    }

    /// <summary>The original vocabulary size, if the token tables were resized.</summary>
    internal int? ResizedFrom { get; set; }

    /// <summary>Resizes the token embedding and the head, for example after adding tokens to a tokenizer. New rows are the mean of the old
    /// ones; Hugging Face transformers draws them around that mean with a tiny deviation. A tied head stays tied.</summary>
    /// <param name="rows">The new vocabulary size.</param>
    /// <exception cref="BadInputException">The size is not positive, or adapters are attached, whose shapes depend on the
    /// tables.</exception>
    public void ResizeTokenEmbeddings(int rows) => TokenTables.Resize(this, rows);

    /// <summary>Resizes what else has an element for each token, after the tables.</summary>
    internal virtual void OnTokensResized() { }

    /// <summary>The hidden states after the final norm: (B, T) to (B, T, C), or (B, P + T, C) with P virtual tokens before each
    /// row.</summary>
    public abstract Tensor Hidden(ModelInputs inputs);

    /// <summary>The logits: (B, T, vocabulary), (B, classes) or (B, T, classes).</summary>
    public abstract Tensor Logits(ModelInputs inputs);

    /// <summary>The loss of the task, a mean over the targets, as a scalar.</summary>
    /// <param name="inputs">The inputs: <see cref="ToInputs"/>.</param>
    /// <param name="targets">The targets: <see cref="ToTargets(ReadOnlySpan{int}, int, float?)"/>.</param>
    public abstract Tensor Loss(ModelInputs inputs, Targets targets);

    /// <summary>The outputs by Hugging Face's names: the logits, or what the task has instead.</summary>
    public virtual IReadOnlyList<(string Name, Tensor Value)> Outputs(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return [("logits", Logits(inputs))];
    }

    /// <summary>Uploads the inputs of a batch.</summary>
    public virtual ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        return ModelInputs.Causal(Backend, arrays);
    }

    /// <summary>Uploads the targets of a batch.</summary>
    /// <param name="labels">As in Hugging Face's files, row by row: a label of each token, a class of each row, or the first and then the
    /// last tokens of the rows' answers; −100 for labels that are left out.</param>
    /// <param name="batchSize">Rows.</param>
    /// <param name="denominator">The denominator of the sum of losses; null for the number of targets, which gives the mean.</param>
    /// <exception cref="BadInputException">Every label is masked.</exception>
    public virtual Targets ToTargets(ReadOnlySpan<int> labels, int batchSize, float? denominator = null) => Task == ModelTask.CausalLm
        ? Targets.FromLabels(Backend, labels, batchSize, denominator) : Targets.Unshifted(Backend, labels, batchSize, denominator);

    /// <summary>Uploads targets that are numbers: the score of each row, or the noise in each picture.</summary>
    /// <param name="values">The numbers, row by row.</param>
    /// <param name="batchSize">Rows.</param>
    /// <param name="denominator">The denominator of the sum of losses; null for the number of rows, which gives the mean.</param>
    public virtual Targets ToTargets(ReadOnlySpan<float> values, int batchSize, float? denominator = null) =>
        Targets.FromValues(Backend, values, batchSize, denominator);

    /// <summary>Begins a forward pass: no adapter is attached, detached or merged until it ends, and on a device that runs one pass at a
    /// time no other thread's pass runs. Passes of a thread can be nested.</summary>
    internal PassHold BeginPass()
    {
        var device = Backend.PassLock; // Before any lock is taken, because it throws on a disposed model.
        var pass = CallAdapters?.BeginPass() ?? default;
        return device is null ? pass : pass.With(device.EnterExclusive());
    }

    /// <summary>Runs a call with one adapter; see <see cref="ICallAdapters.Run"/>.</summary>
    /// <exception cref="BadInputException">The name is unknown.</exception>
    internal T RunCall<T>(string? adapter, Func<T> body) => CallAdapters is { } adapters ? adapters.Run(adapter, body)
        : adapter is null ? body() : throw new BadInputException(
            $"there is no adapter \"{adapter}\": the model has none; attach one with PeftModel.Load or PeftModel.AddAdapter");

    /// <summary>Embeds the tokens, and the virtual tokens before them.</summary>
    /// <returns>(B, P + T, C), and the inputs with the positions and the mask of all of them.</returns>
    private protected (Tensor Embedded, ModelInputs Inputs) Embed(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var x = EmbedInputs(inputs);
        if (VirtualTokens is { } before && inputs.Cache is not { Length: > 0 })
        {
            (x, inputs) = before.Prepend(x, inputs);
        }
        return inputs.Longest <= MaxLength ? (x, inputs) : throw new BadInputException(
            $"a sequence of {inputs.Longest} tokens is longer than the {MaxLength} this model allows; " +
            "shorten it or lower the maximum sequence length");
    }

    /// <summary>The first hidden states, (B, T, C): those of the tokens, or of a picture's patches.</summary>
    private protected virtual Tensor EmbedInputs(ModelInputs inputs) => EmbedTokens(inputs.Ids);

    /// <summary>The embeddings of tokens: I32 (B, T) to (B, T, C).</summary>
    private protected virtual Tensor EmbedTokens(Tensor ids) => TokenEmbedding.Forward(ids);

    /// <summary>A number that changes when the tables of rotary positions are made anew, or would be for a batch: a captured pass, which
    /// reads them at their address, is used again only while it is the same.</summary>
    /// <param name="length">One past the largest position of the batch.</param>
    internal virtual long PositionTables(int length) => 0;

    /// <summary>Whether a pass over a batch of text reads token ids, positions and ranges alone. A captured graph takes these from the
    /// batch as they are; what else a model reads is computed on the host from its inputs (<see cref="ModelInputs.Uploads"/>).</summary>
    /// <param name="longest">One past the largest position of the batch.</param>
    /// <param name="hasRanges">Whether the batch has ranges.</param>
    internal virtual bool ReadsTokensAlone(int longest, bool hasRanges) => true;

    /// <summary>Whether a language model must be told which tokens are padding, although none attends to it.</summary>
    internal virtual bool ReadsPadding => false;

    /// <summary>The loss plus the penalty, if there is one.</summary>
    private protected Tensor WithPenalty(Tensor loss, Targets targets) =>
        Tape.IsRecording && Penalty?.Invoke() is { } penalty ? loss + penalty * targets.Weight : loss;
}
