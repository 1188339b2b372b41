using System.Runtime.CompilerServices;
using System.Threading.Channels;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Models.Generation;

/// <summary>Continuous batching (Yu et al. 2022, "Orca"): generates the texts of many requests with one batch that requests join and leave
/// between steps. A step reads one token of every text, so it reads the weights once for all; each row has its own adapter, seed and
/// options. The texts are those that each request would have alone. Any thread may submit; a thread of the batcher computes.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
/// var tokenizer = Tokenizer.FromDirectory(modelDirectory);
/// using var batcher = new ContinuousBatcher(model, tokenizer, maxRows: 8);
/// var options = new GenerationOptions { MaxNewTokens = 8 };
/// var answers = await Task.WhenAll(batcher.GenerateAsync("The captain said", options), batcher.GenerateAsync("The girl said", options));
/// Console.WriteLine(string.Join('\n', answers.Select(answer => answer.Text)));
/// </code>
/// </example>
public sealed class ContinuousBatcher : IDisposable
{
    private const long DefaultCacheBytes = 1L << 30;

    private readonly PeftModel _model;
    private readonly Tokenizer? _tokenizer;
    private readonly BatchLoop _loop;

    /// <summary>Starts a batcher.</summary>
    /// <param name="model">The model with its adapters. Adapters may be attached and deleted while the batcher runs.</param>
    /// <param name="tokenizer">The model's tokenizer; null for requests of tokens only.</param>
    /// <param name="maxRows">Maximum number of requests in a step; others wait in the order in which they came.</param>
    /// <param name="maxQueue">Maximum number of requests that wait.</param>
    /// <param name="maxTokens">Maximum tokens of a request, prompt and text together; 0 for the model's context, or fewer if
    /// <paramref name="maxCacheBytes"/> holds no more.</param>
    /// <param name="maxCacheBytes">Maximum bytes of keys and values, which are allocated here, once; 0 for 1 GiB.</param>
    /// <param name="cacheDType">Dtype of keys and values: F32, or BF16 at half the bytes; null for that of the device's
    /// activations.</param>
    /// <exception cref="BadInputException">The model is no decoder, a number is too small, or the keys and values do not fit.</exception>
    public ContinuousBatcher(PeftModel model, Tokenizer? tokenizer = null, int maxRows = 16, int maxQueue = 256, int maxTokens = 0,
        long maxCacheBytes = 0, DType? cacheDType = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        (_model, _tokenizer) = (model, tokenizer);
        var dtype = cacheDType ?? model.Base.Backend.ActivationDType;
        int capacity = BatchLimits.Capacity(model.Base, maxRows, maxQueue, maxTokens,
            maxCacheBytes == 0 ? DefaultCacheBytes : maxCacheBytes, dtype);
        _loop = new BatchLoop(model, maxRows, maxQueue, capacity, dtype);
    }

    /// <summary>Requests in the batch now.</summary>
    internal int RunningCount => _loop.RunningCount;

    /// <summary>Maximum tokens of a request, prompt and text together.</summary>
    public int MaxTokens => _loop.Capacity;

    /// <summary>Requests that wait.</summary>
    internal int QueuedCount => _loop.QueuedCount;

    /// <summary>Bytes of keys and values.</summary>
    internal long CacheBytes => _loop.CacheBytes;

    /// <summary>Generates text after a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="options">Sampling and stopping; null for the defaults.</param>
    /// <param name="adapter">As for <see cref="Generator"/>.</param>
    /// <param name="onToken">Called with each token and the new text, on the thread that computes: it must return at once. If it throws,
    /// this request ends with its exception.</param>
    /// <param name="cancel">Takes the request out of queue or batch.</param>
    /// <returns>The text. The task is cancelled by <paramref name="cancel"/>; it fails with an <see cref="ObjectDisposedException"/> when
    /// the batcher is disposed before.</returns>
    /// <exception cref="BadInputException">The prompt does not fit, an option cannot be used in a batch, or the adapter is unknown or
    /// cannot share a step with others.</exception>
    /// <exception cref="QueueFullException">As many requests as allowed wait already.</exception>
    /// <exception cref="ObjectDisposedException">The batcher was disposed.</exception>
    public Task<GenerationResult> GenerateAsync(string prompt, GenerationOptions? options = null, string? adapter = null,
        Action<int, string>? onToken = null, CancellationToken cancel = default) =>
        GenerateAsync(Encode(prompt), options, adapter, onToken, cancel);

    /// <summary>Generates tokens, and with a tokenizer text, after the tokens of a prompt.</summary>
    /// <inheritdoc cref="GenerateAsync(string, GenerationOptions?, string?, Action{int, string}?, CancellationToken)"/>
    public Task<GenerationResult> GenerateAsync(ReadOnlyMemory<int> prompt, GenerationOptions? options = null, string? adapter = null,
        Action<int, string>? onToken = null, CancellationToken cancel = default)
    {
        options ??= new GenerationOptions();
        options = _tokenizer is null ? options : Generator.WithStops(options, _tokenizer);
        BatchLimits.Check(options, _loop.CacheDType);
        var request = NewRequest(prompt.ToArray(), options, AdapterOf(adapter), onToken, cancel);
        _loop.Submit(request);
        return request.Task;
    }

    /// <summary>Generates tokens, and with a tokenizer text, piece by piece. A caller that stops reading cancels the request.</summary>
    /// <returns>Each token with the new text, which may be empty, and at last the whole result, with token −1.</returns>
    /// <inheritdoc cref="GenerateAsync(string, GenerationOptions?, string?, Action{int, string}?, CancellationToken)"/>
    public async IAsyncEnumerable<(int Token, string Text, GenerationResult? Result)> StreamAsync(ReadOnlyMemory<int> prompt,
        GenerationOptions? options = null, string? adapter = null, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var pieces = Channel.CreateUnbounded<(int Token, string Text)>();
        try
        {
            var task = GenerateAsync(prompt, options, adapter, (token, text) => pieces.Writer.TryWrite((token, text)),
                stop.Token);
            _ = task.ContinueWith(_ => pieces.Writer.TryComplete(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            await foreach (var (token, text) in pieces.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                yield return (token, text, null);
            }
            yield return (-1, "", await task.ConfigureAwait(false));
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Stops after the current step and frees keys and values. Requests that are not complete fail with an
    /// <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => _loop.Dispose();

    private int[] Encode(string prompt) => Generator.Encode(_model.Base, prompt, _tokenizer ?? throw new BadInputException(
        "the batcher has no tokenizer to read text with; give it one, or the tokens of the prompt"));

    private BatchRequest NewRequest(int[] prompt, GenerationOptions options, Adapter? adapter, Action<int, string>? onToken,
        CancellationToken cancel) => _model.Set.With(adapter?.Alone ?? [], () =>
    {
        Func<IReadOnlyList<int>, string>? decode = _tokenizer is { } tokenizer ? tokens => tokenizer.Decode([.. tokens]) : null;
        var text = Generator.Request(_model.Base, prompt, options, decode) with { OnToken = onToken };
        int length = prompt.Length + text.MaxNewTokens, places = length + _model.Base.VirtualTokenCount;
        return places <= _loop.Capacity ? new BatchRequest(text, adapter, length, cancel) : throw new BadInputException(
            $"the request has {prompt.Length} tokens and may have {text.MaxNewTokens} new ones, {places} places with virtual tokens, but a row " +
            $"of this batcher holds {_loop.Capacity}: lower max_new_tokens, or create the batcher with more max_tokens or max_cache_bytes");
    });

    /// <summary>The adapter of a name; without a name that of the call, or the active one.</summary>
    private Adapter? AdapterOf(string? name)
    {
        if (_model.Set.Merged.Count > 0)
        {
            throw new BadInputException("adapters are merged into the base that all rows share; unmerge them to name adapters by request");
        }
        var applied = _model.Set.Applied;
        var adapter = name is null ? applied.Length < 2 ? applied.FirstOrDefault() : throw new BadInputException(
                $"adapters {string.Join(", ", applied.Select(other => other.Name))} run together, but a row has one: name one")
            : name == PeftModel.NoAdapter ? null : _model.Get(name);
        if ((adapter?.Swaps.Count > 0 ? adapter : Array.Find(_model.Set.Active, other => other.Swaps.Count > 0)) is { } replacing)
        {
            throw new BadInputException($"adapter \"{replacing.Name}\" replaces parameters of the base, which all rows of a step share; " +
                "generate with Generator, whose calls take turns, and have it not active meanwhile");
        }
        return adapter;
    }
}
