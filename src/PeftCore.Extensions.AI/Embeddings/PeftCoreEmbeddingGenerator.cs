using System.Collections.Concurrent;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PeftCore.Backends;
using PeftCore.Extensions.AI.Embeddings;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Extensions.AI;

/// <summary>Embeds texts with an encoder or a decoder: one vector for each text. Pooling, normalisation and prompts are those of the model
/// directory, as Sentence Transformers writes them (modules.json, 1_Pooling/config.json, config_sentence_transformers.json).
/// <code>
/// using var generator = PeftCoreEmbeddingGenerator.FromDirectory("./all-MiniLM-L6-v2");
/// var vector = await generator.GenerateVectorAsync("a text");
/// </code></summary>
/// <remarks><see cref="EmbeddingGenerationOptions.ModelId"/> names the base model or an adapter. Of
/// <see cref="EmbeddingGenerationOptions.AdditionalProperties"/>, <c>prompt_name</c> chooses a prompt of the directory and <c>prompt</c> is
/// one; others are not read.</remarks>
public sealed class PeftCoreEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly PeftCoreModel _model;
    private readonly bool _ownsModel;
    private readonly ILogger _logger;
    private readonly Instruments _instruments;
    private readonly PeftCoreEmbeddingOptions _options;
    private readonly SentenceModules _modules;
    private readonly ConcurrentDictionary<string, SentenceModules> _ofPooling = [];
    private readonly TextBatch _texts;
    private readonly string? _adapter;
    private bool _isDisposed;

    /// <summary>Embeds with a loaded model. The caller disposes the model.</summary>
    /// <param name="model">The model: an encoder, or a decoder such as that of a chat client.</param>
    /// <param name="options">Pooling, normalisation and batches; null for what the model's directory says. Where the model is loaded from
    /// is not read.</param>
    /// <param name="adapter">The adapter of requests that name no model; null for the model's default.</param>
    /// <param name="loggers">Receives a line for each request; null for no log.</param>
    /// <exception cref="BadInputException">The model embeds no texts, or a file of its directory says what is not supported.</exception>
    public PeftCoreEmbeddingGenerator(PeftCoreModel model, PeftCoreEmbeddingOptions? options = null, string? adapter = null,
        ILoggerFactory? loggers = null)
        : this(model, options, adapter, loggers, Instruments.Shared, ownsModel: false) { }

    internal PeftCoreEmbeddingGenerator(PeftCoreModel model, PeftCoreEmbeddingOptions? options, string? adapter, ILoggerFactory? loggers,
        Instruments instruments, bool ownsModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        _options = options ?? new PeftCoreEmbeddingOptions();
        (_model, _adapter, _instruments, _ownsModel) = (model, adapter, instruments, ownsModel);
        _logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<PeftCoreEmbeddingGenerator>();
        var transformer = model.Model.Base;
        if (transformer.Task is not (ModelTask.FeatureExtraction or ModelTask.CausalLm or ModelTask.MaskedLm))
        {
            throw new BadInputException($"{model.ModelId} is a model for {transformer.Task}, which makes no embeddings of texts; load an " +
                "encoder or a decoder");
        }
        _modules = SentenceModules.Read(model.Directory, transformer, _options.Pooling, _options.Normalize);
        _texts = new TextBatch(model.Tokenizer, _modules, Math.Min(_modules.MaxLength ?? int.MaxValue, transformer.MaxLength),
            _options.Truncate);
        Metadata = new EmbeddingGeneratorMetadata(PeftCoreTelemetry.ProviderName, null, model.NameOf(null, adapter),
            _modules.Size(transformer.HiddenSize));
    }

    /// <summary>The provider, the default model and the size of its vectors; also what GetService returns for this type.</summary>
    public EmbeddingGeneratorMetadata Metadata { get; }

    /// <summary>Loads a model and embeds with it; disposing the generator frees the model.</summary>
    /// <param name="directory">The model directory.</param>
    /// <param name="loggers">Receives what is loaded, and a line for each request; null for no log.</param>
    /// <exception cref="BadInputException">A file is missing, damaged, or says what is not supported.</exception>
    public static PeftCoreEmbeddingGenerator FromDirectory(string directory, ILoggerFactory? loggers = null) =>
        Load(new PeftCoreEmbeddingOptions { ModelDirectory = directory }, loggers);

    /// <summary>Loads a model with its adapters and embeds with it; disposing the generator frees the model.</summary>
    /// <param name="options">The model, and how texts become vectors.</param>
    /// <param name="loggers">Receives what is loaded, and a line for each request; null for no log.</param>
    /// <exception cref="BadInputException">An option is invalid, or a file is missing, damaged, or says what is not supported.</exception>
    public static PeftCoreEmbeddingGenerator Load(PeftCoreEmbeddingOptions options, ILoggerFactory? loggers = null)
    {
        var model = PeftCoreModel.Load(options, loggers);
        try
        {
            return new PeftCoreEmbeddingGenerator(model, options, adapter: null, loggers, Instruments.Shared, ownsModel: true);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Embeds texts.</summary>
    /// <param name="values">The texts.</param>
    /// <param name="options">The model, and a prompt; null for the default.</param>
    /// <param name="cancellationToken">Ends the work between two batches.</param>
    /// <exception cref="BadInputException">A text is empty or too long, or an option is not supported.</exception>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        string[] texts = [.. values];
        return Task.Run(() => Generate(texts, options, cancellationToken), cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? Metadata
            : serviceType == typeof(PeftCoreModel) ? _model
            : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Frees the model if this generator loaded it.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        if (_ownsModel)
        {
            _model.Dispose();
        }
    }

    private GeneratedEmbeddings<Embedding<float>> Generate(string[] texts, EmbeddingGenerationOptions? options, CancellationToken cancel)
    {
        string name = _model.NameOf(options?.ModelId, _adapter);
        using var operation = new GenAiOperation(_instruments, "embeddings", name);
        try
        {
            CheckOptions(options);
            using var lease = _model.Lease(options?.ModelId, _adapter);
            string? prompt = PromptOf(options);
            TextRow[] rows = [.. texts.Select((text, index) => _texts.Encode(text, prompt, index))];
            float[][] vectors = Embed(rows, lease.Adapter.Attached, ModulesOf(lease.Adapter), cancel);
            int tokens = rows.Sum(row => row.Ids.Length);
            operation.Tag("gen_ai.embeddings.dimension.count", Metadata.DefaultModelDimensions);
            operation.Complete(tokens);
            Log.Embedded(_logger, name, texts.Length, tokens, operation.Seconds);
            var now = DateTimeOffset.UtcNow;
            return new(vectors.Select(vector => new Embedding<float>(vector) { ModelId = name, CreatedAt = now }))
            {
                Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens },
            };
        }
        catch (Exception exception)
        {
            operation.Fail(exception);
            throw;
        }
    }

    /// <summary>The vectors of rows. Rows of similar length share a batch, so that little is padded.</summary>
    private float[][] Embed(TextRow[] rows, string adapter, SentenceModules modules, CancellationToken cancel)
    {
        float[][] vectors = new float[rows.Length][];
        foreach (int[] batch in Enumerable.Range(0, rows.Length).OrderBy(i => rows[i].Ids.Length).Chunk(_options.BatchSize))
        {
            cancel.ThrowIfCancellationRequested();
            using var computation = _model.Computations.Enter();
            TextRow[] chosen = [.. batch.Select(i => rows[i])];
            var (hidden, length, columns) = _model.Model.WithAdapters([adapter], () => Hidden(chosen));
            for (int i = 0; i < batch.Length; i++)
            {
                // Virtual tokens of an adapter come before those of the text, and padding after.
                int virtualTokens = length - chosen.Max(row => row.Ids.Length), tokens = chosen[i].Ids.Length;
                vectors[batch[i]] = modules.Embed(hidden.AsSpan((i * length + virtualTokens) * columns, tokens * columns), columns,
                    chosen[i].PromptTokens);
            }
        }
        return vectors;
    }

    /// <summary>The hidden states of rows, (B, P + T, C), with P + T and C.</summary>
    private (float[] Values, int Length, int Columns) Hidden(TextRow[] rows)
    {
        using var scope = new TensorScope();
        var transformer = _model.Model.Base;
        var hidden = transformer.Hidden(transformer.ToInputs(_texts.Pad(rows)));
        return (hidden.ToFloats(), hidden.Shape[1], hidden.Shape[2]);
    }

    /// <summary>How the vectors of an adapter are made: with the pooling that it was trained with, unless the options name one.</summary>
    private SentenceModules ModulesOf(ServedAdapter adapter) =>
        _options.Pooling is not null || adapter.Pooling is not { } pooling ? _modules
        : _ofPooling.GetOrAdd(pooling, name => SentenceModules.Read(_model.Directory, _model.Model.Base,
            name == "last" ? "lasttoken" : name, _options.Normalize));

    private void CheckOptions(EmbeddingGenerationOptions? options)
    {
        if (options?.Dimensions is { } size && size != Metadata.DefaultModelDimensions)
        {
            throw new BadInputException($"Dimensions is {size}, but embeddings of {_model.ModelId} have " +
                $"{Metadata.DefaultModelDimensions}; leave it out");
        }
        if (options?.RawRepresentationFactory is not null)
        {
            throw new BadInputException("RawRepresentationFactory is not supported: there are no options but those of " +
                $"{nameof(PeftCoreEmbeddingOptions)}");
        }
    }

    private string? PromptOf(EmbeddingGenerationOptions? options)
    {
        string? given = Text(options, "prompt"), name = Text(options, "prompt_name");
        if (given is not null && name is not null)
        {
            throw new BadInputException("prompt and prompt_name are both given; leave one out");
        }
        if (given is not null)
        {
            return given;
        }
        name ??= _modules.DefaultPrompt;
        return name is null ? null : _modules.Prompts.TryGetValue(name, out string? prompt) ? prompt
            : throw new BadInputException($"there is no prompt \"{name}\"; {_model.ModelId} has " +
                (_modules.Prompts.Count == 0 ? "none" : string.Join(", ", _modules.Prompts.Keys)));
    }

    private static string? Text(EmbeddingGenerationOptions? options, string name) =>
        options?.AdditionalProperties?.TryGetValue(name, out object? value) != true || value is null ? null
        : value as string ?? throw new BadInputException($"{name} is {value}, expected a text");
}
