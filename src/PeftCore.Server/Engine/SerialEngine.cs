using PeftCore.Models.Generation;
using PeftCore.Peft;

namespace PeftCore.Server.Engine;

/// <summary>Generates one text after another, for models and adapters that cannot share a step with others.</summary>
internal sealed class SerialEngine(ServedModel served) : ITextEngine
{
    private readonly SemaphoreSlim _turn = new(1);
    private readonly Generator _generator = new(served.Model.Base, served.Backend);

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
        if (job.Adapter == PeftModel.NoAdapter)
        {
            return served.Model.WithoutAdapters(() => Text(job, cancel));
        }
        served.Model.SetActive(job.Adapter);
        return Text(job, cancel);
    }

    private GenerationResult Text(TextJob job, CancellationToken cancel)
    {
        var result = _generator.Generate(job.Prompt, job.Options, tokens => served.Tokenizer.Decode([.. tokens]),
            (_, text) => job.OnText(text), cancel: cancel);
        cancel.ThrowIfCancellationRequested();
        return result;
    }
}
