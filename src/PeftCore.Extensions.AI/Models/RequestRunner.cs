using System.Runtime.CompilerServices;
using System.Threading.Channels;
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

/// <summary>Generates the answers of a model's requests: those of decoders in shared steps, others alone.</summary>
/// <param name="model">The model.</param>
/// <param name="backend">Its device.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="options">How many requests run at once.</param>
internal sealed class RequestRunner(PeftModel model, Backend backend, Tokenizer tokenizer, PeftCoreChatOptions options) : IDisposable
{
    private readonly Lock _lock = new();
    private ContinuousBatcher? _batcher;
    private bool _isDisposed;

    /// <summary>Generates an answer. A consumer that stops to read ends it.</summary>
    /// <param name="prompt">The tokens before the answer.</param>
    /// <param name="generation">Sampling and stopping.</param>
    /// <param name="adapter">The adapter's name in the model.</param>
    /// <param name="cancel">Ends the answer with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="BadInputException">The prompt does not fit the model, or an option is out of range.</exception>
    public async IAsyncEnumerable<RequestUpdate> StreamAsync(int[] prompt, GenerationOptions generation, string adapter,
        [EnumeratorCancellation] CancellationToken cancel = default)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        try
        {
            var updates = CanShare(generation, adapter) ? Shared(prompt, generation, adapter, ended.Token)
                : Alone(prompt, generation, adapter, ended.Token);
            await foreach (var update in updates.ConfigureAwait(false))
            {
                yield return update;
            }
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _batcher?.Dispose();
        }
    }

    /// <summary>Whether a request can share steps with others: not beam search, not an encoder-decoder, and no adapter that replaces
    /// parameters of the base, which all rows of a step share.</summary>
    private bool CanShare(GenerationOptions generation, string adapter) => generation.NumBeams == 1 && model.Base is CausalModel
        && (adapter == PeftModel.NoAdapter || model.Get(adapter).Swaps.Count == 0)
        && model.Set.Merged.Count == 0 && model.Set.Active.All(active => active.Swaps.Count == 0);

    private async IAsyncEnumerable<RequestUpdate> Shared(int[] prompt, GenerationOptions generation, string adapter,
        [EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var update in Batcher().StreamAsync(prompt, generation, adapter, cancel).ConfigureAwait(false))
        {
            yield return new RequestUpdate(update.Token, update.Text, update.Result);
        }
    }

    private ContinuousBatcher Batcher()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(PeftCoreModel));
            return _batcher ??= new ContinuousBatcher(model, tokenizer, options.MaxConcurrentRequests, options.MaxQueuedRequests,
                options.MaxTokens ?? 0, options.MaxCacheBytes ?? 0);
        }
    }

    /// <summary>Generates on a thread of its own, in a forward pass of its own: beam search, and encoder-decoders.</summary>
    private async IAsyncEnumerable<RequestUpdate> Alone(int[] prompt, GenerationOptions generation, string adapter,
        [EnumeratorCancellation] CancellationToken cancel)
    {
        var updates = Channel.CreateUnbounded<RequestUpdate>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        var work = Task.Factory.StartNew(Generate, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await foreach (var update in updates.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
        {
            yield return update;
        }
        await work.ConfigureAwait(false);

        void Generate()
        {
            try
            {
                var result = new Generator(model.Base, backend).Generate(prompt, generation, tokens => tokenizer.Decode([.. tokens]),
                    (token, text) => updates.Writer.TryWrite(new RequestUpdate(token, text, null)), adapter, cancel);
                cancel.ThrowIfCancellationRequested();
                updates.Writer.TryWrite(new RequestUpdate(-1, "", result));
                updates.Writer.Complete();
            }
            catch (Exception exception)
            {
                updates.Writer.Complete(exception);
            }
        }
    }
}
