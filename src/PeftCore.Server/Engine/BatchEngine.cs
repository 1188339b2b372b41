using PeftCore.Models;
using PeftCore.Models.Generation;

namespace PeftCore.Server.Engine;

/// <summary>Generates the texts of all requests in shared steps, and those that cannot share one after another: texts of encoder-decoders,
/// and of adapters that replace parameters of the base.</summary>
internal sealed class BatchEngine : ITextEngine
{
    private readonly SerialEngine _serial;
    private readonly ContinuousBatcher? _batcher;
    private readonly AdapterPool _adapters;

    /// <param name="options">How many texts run at once.</param>
    /// <param name="served">The model.</param>
    /// <param name="adapters">Its adapters.</param>
    /// <exception cref="BadInputException">The keys and values of so many texts do not fit.</exception>
    public BatchEngine(ServerOptions options, ServedModel served, AdapterPool adapters)
    {
        (_serial, _adapters) = (new SerialEngine(served), adapters);
        if (served.Model.Base.Task == ModelTask.CausalLm)
        {
            // Requests that wait are counted where they are admitted.
            _batcher = new ContinuousBatcher(served.Model, served.Tokenizer, options.MaxConcurrent,
                options.MaxConcurrent + options.MaxQueue, Math.Min(options.MaxContext ?? 0, served.Model.Base.MaxLength),
                options.MaxCacheBytes, served.Defaults.KvCacheDType);
        }
        MaxTokens = _batcher?.MaxTokens ?? served.Model.Base.MaxLength;
    }

    /// <summary>The most tokens of a text, with its prompt if that is continued.</summary>
    public int MaxTokens { get; }

    public async Task<GenerationResult> Generate(TextJob job, CancellationToken cancel)
    {
        if (_batcher is null || !job.SharesSteps)
        {
            return await _serial.Generate(job, cancel);
        }
        Task<GenerationResult> text;
        int loads = _adapters.Loads;
        try
        {
            text = Submit(_batcher, job, cancel);
        }
        catch (BadInputException) when (!_adapters.Loading.IsCompleted || _adapters.Loads != loads)
        {
            // An adapter that is attached at this moment is active until that has ended, and may replace parameters of the base.
            await Task.WhenAny(_adapters.Loading).WaitAsync(cancel);
            text = Submit(_batcher, job, cancel);
        }
        return await text;
    }

    public void Dispose()
    {
        _batcher?.Dispose();
        _serial.Dispose();
    }

    private static Task<GenerationResult> Submit(ContinuousBatcher batcher, TextJob job, CancellationToken cancel) =>
        batcher.GenerateAsync(job.Prompt, job.Options, job.Adapter, (_, text) => job.OnToken(text), cancel);
}
