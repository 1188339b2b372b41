using System.Threading.Channels;
using PeftCore.Models.Generation;

namespace PeftCore.Server.Engine;

/// <summary>A piece of a text, or its end.</summary>
/// <param name="Index">Index of the text.</param>
/// <param name="Piece">New text; empty at the end.</param>
/// <param name="Result">The whole text at its end; null before.</param>
internal readonly record struct TextEvent(int Index, string Piece, GenerationResult? Result);

/// <summary>The texts of one request, generated at the same time.</summary>
internal sealed class TextRuns : IAsyncDisposable
{
    // Bounded by the texts themselves: a text has no more pieces than tokens.
    private readonly Channel<TextEvent> _events = Channel.CreateUnbounded<TextEvent>(new() { SingleReader = true });
    private readonly CancellationTokenSource _stop;
    private readonly Task _all;
    private int _newTokens;

    /// <param name="engine">Generates the texts.</param>
    /// <param name="texts">The texts: prompt, options, adapter.</param>
    /// <param name="cancel">Ends all of them.</param>
    public TextRuns(ITextEngine engine, IReadOnlyList<TextJob> texts, CancellationToken cancel)
    {
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        _all = RunAll(engine, texts);
    }

    /// <summary>Number of new tokens so far.</summary>
    public int NewTokens => _newTokens;

    /// <summary>The pieces of all texts in the order in which they are generated. If one text fails, the others end too.</summary>
    public ChannelReader<TextEvent> Events => _events.Reader;

    /// <summary>Ends the texts that still run, and waits until none uses its adapter any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _all;
        _stop.Dispose();
    }

    private async Task RunAll(ITextEngine engine, IReadOnlyList<TextJob> texts)
    {
        await Task.WhenAll(texts.Select((text, index) => RunOne(engine, text, index)));
        _events.Writer.TryComplete();
    }

    private async Task RunOne(ITextEngine engine, TextJob text, int index)
    {
        try
        {
            var result = await engine.Generate(text with
            {
                OnToken = piece =>
                {
                    Interlocked.Increment(ref _newTokens);
                    if (piece.Length > 0)
                    {
                        _events.Writer.TryWrite(new TextEvent(index, piece, null));
                    }
                },
            }, _stop.Token);
            _events.Writer.TryWrite(new TextEvent(index, "", result));
        }
        catch (Exception e)
        {
            _events.Writer.TryComplete(e);
            await _stop.CancelAsync();
        }
    }
}
