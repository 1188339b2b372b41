using PeftCore.Models.Generation;

namespace PeftCore.Server.Engine;

/// <summary>Generates one text after another, for models and adapters that cannot share a step with others.</summary>
internal sealed class SerialEngine(ServedModel served) : ITextEngine
{
    private readonly SemaphoreSlim _turn = new(1);

    public async Task<GenerationResult> Generate(TextJob job, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        try
        {
            return await Task.Factory.StartNew(() => Run(job, cancel), cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private GenerationResult Run(TextJob job, CancellationToken cancel)
    {
        var result = new Generator(served.Model.Base, served.Backend).Generate(job.Prompt, job.Options,
            tokens => served.Tokenizer.Decode([.. tokens]), (_, text) => job.OnToken(text), job.Adapter, cancel);
        cancel.ThrowIfCancellationRequested();
        return result;
    }
}
