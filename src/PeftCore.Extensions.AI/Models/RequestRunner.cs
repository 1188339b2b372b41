using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Tokenizers;

namespace PeftCore.Extensions.AI;

/// <summary>A new token with its text; or, last, the result.</summary>
/// <param name="Token">The token; −1 with the result.</param>
/// <param name="Text">The new text.</param>
/// <param name="Result">The whole answer; null before the end.</param>
internal readonly record struct RequestUpdate(int Token, string Text, GenerationResult? Result);

/// <summary>Generates the answers of a model's requests: those that can share steps in one <see cref="ContinuousBatcher"/>, others
/// alone.</summary>
internal sealed class RequestRunner : IDisposable
{
    private readonly PeftModel _model;
    private readonly Backend _backend;
    private readonly Tokenizer _tokenizer;
    private readonly PeftCoreChatOptions _options;
    private readonly ComputeGate _gate;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _places;
    private readonly CancellationTokenSource _stopping = new();
    private ContinuousBatcher? _batcher;
    private bool _cannotShare;

    /// <summary>Prepares to generate; the batcher starts with the first request.</summary>
    /// <param name="model">The model.</param>
    /// <param name="backend">Its device.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="options">How many requests run at once.</param>
    /// <param name="gate">Counts the computations of requests that run alone.</param>
    /// <param name="logger">Is told why no requests share steps.</param>
    public RequestRunner(PeftModel model, Backend backend, Tokenizer tokenizer, PeftCoreChatOptions options, ComputeGate gate,
        ILogger logger)
    {
        (_model, _backend, _tokenizer, _options, _gate, _logger) = (model, backend, tokenizer, options, gate, logger);
        _places = new SemaphoreSlim(options.MaxConcurrentRequests);
    }

    /// <summary>Generates an answer. A consumer that stops to read ends it.</summary>
    /// <param name="prompt">The tokens before the answer.</param>
    /// <param name="generation">Sampling and stopping.</param>
    /// <param name="adapter">The adapter's name in the model.</param>
    /// <param name="cancel">Ends the answer with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="BadInputException">The prompt does not fit the model, or an option is out of range.</exception>
    /// <exception cref="QueueFullException">As many requests as allowed wait already.</exception>
    public async IAsyncEnumerable<RequestUpdate> StreamAsync(int[] prompt, GenerationOptions generation, string adapter,
        [EnumeratorCancellation] CancellationToken cancel = default)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var updates = Channel.CreateUnbounded<RequestUpdate>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        try
        {
            var answer = Start(prompt, generation, adapter,
                (token, text) => updates.Writer.TryWrite(new RequestUpdate(token, text, null)), ended.Token);
            _ = answer.ContinueWith(_ => updates.Writer.TryComplete(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            await foreach (var update in updates.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                yield return update;
            }
            yield return new RequestUpdate(-1, "", await answer.ConfigureAwait(false));
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Ends the requests under way: those of the batcher with an <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        ContinuousBatcher? batcher;
        lock (_lock)
        {
            (batcher, _cannotShare) = (_batcher, true);
        }
        batcher?.Dispose();
        _stopping.Cancel();
    }

    private Task<GenerationResult> Start(int[] prompt, GenerationOptions generation, string adapter, Action<int, string> onToken,
        CancellationToken cancel)
    {
        if (generation.NumBeams == 1 && Batcher() is { } batcher)
        {
            try
            {
                return batcher.GenerateAsync(prompt, generation, adapter, onToken, cancel);
            }
            catch (BadInputException)
            {
                // It cannot share steps with others, as with an adapter that replaces parameters of the base; or it is refused alone too.
            }
        }
        return AloneAsync(prompt, generation, adapter, onToken, cancel);
    }

    /// <summary>The batcher; null if requests to this model cannot share steps.</summary>
    private ContinuousBatcher? Batcher()
    {
        lock (_lock)
        {
            if (_batcher is null && !_cannotShare && _model.Base is CausalModel)
            {
                try
                {
                    _batcher = new ContinuousBatcher(_model, _tokenizer, _options.MaxConcurrentRequests, _options.MaxQueuedRequests,
                        _options.MaxTokens ?? 0, _options.MaxCacheBytes ?? 0);
                }
                catch (BadInputException exception)
                {
                    _cannotShare = true;
                    Log.Notice(_logger, $"Requests are answered alone, not in shared steps: {exception.Message}");
                }
            }
            return _cannotShare ? null : _batcher;
        }
    }

    /// <summary>Generates on a thread of its own, with keys and values of its own.</summary>
    private async Task<GenerationResult> AloneAsync(int[] prompt, GenerationOptions generation, string adapter, Action<int, string> onToken,
        CancellationToken cancel)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel, _stopping.Token);
        await _places.WaitAsync(ended.Token).ConfigureAwait(false);
        try
        {
            return await Task.Factory.StartNew(Generate, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
                .ConfigureAwait(false);
        }
        finally
        {
            _places.Release();
        }

        GenerationResult Generate()
        {
            using var computation = _gate.Enter();
            var result = new Generator(_model.Base, _backend).Generate(prompt, generation, tokens => _tokenizer.Decode([.. tokens]),
                onToken, adapter, ended.Token);
            ended.Token.ThrowIfCancellationRequested();
            return result;
        }
    }
}
