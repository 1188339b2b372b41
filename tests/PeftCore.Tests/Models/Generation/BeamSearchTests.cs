using PeftCore.Models.Generation;

namespace PeftCore.Tests.Models.Generation;

public sealed class BeamSearchTests
{
    private const int Stop = 0;

    [Test]
    public void Beams_for_every_sequence_find_the_best_text_of_all([Values(0.0, 1.0, -1.0, 3.0)] double penalty, [Values(1, 2, 3)] int seed)
    {
        const int Vocabulary = 3, Length = 4;
        var options = new GenerationOptions
        {
            NumBeams = 81, MaxNewTokens = Length, LengthPenalty = penalty, EarlyStopping = null, StopTokens = [Stop],
            NumReturnSequences = 3,
        };
        var found = Run(TableDecoder.Noise(Vocabulary, seed), options);
        var best = Texts([], 0, Vocabulary, Length, seed).OrderByDescending(text => text.Score / Math.Pow(text.Tokens.Length, penalty))
            .Take(3).Select(text => text.Tokens);
        Assert.That(All(found).Select(text => text.Tokens), Is.EqualTo(best));
    }

    [Test]
    public void The_score_that_decides_is_that_of_the_reference_on_a_case_worked_out_by_hand()
    {
        // Greedy takes 1 (p = 0.5) and then nothing better than 0.4; two beams find 2 (0.4), then 1 (0.9).
        float[] first = Logs(0.1, 0.5, 0.4), after1 = Logs(0.3, 0.4, 0.3), after2 = Logs(0.05, 0.9, 0.05);
        var decoder = new TableDecoder(3, sequence => sequence.Count == 1 ? first : sequence[1] == 1 ? after1 : after2);
        var options = new GenerationOptions { NumBeams = 2, MaxNewTokens = 2, NumReturnSequences = 2 };
        var found = Run(decoder, options);
        Assert.That(All(found).Select(text => text.Tokens), Is.EqualTo((int[][])[[2, 1], [1, 1]]));
        Assert.That(Run(new TableDecoder(3, sequence => sequence.Count == 1 ? first : sequence[1] == 1 ? after1 : after2),
            options with { NumBeams = 1, NumReturnSequences = 1 }).Tokens, Is.EqualTo([1, 1]));
    }

    [Test]
    public void Early_stopping_ends_sooner_and_never_goes_on_longest()
    {
        // Token 0 ends a text; what follows is nearly certain, so long texts have better mean scores.
        var steps = new List<int>();
        foreach (bool? early in (bool?[])[true, false, null])
        {
            var decoder = new TableDecoder(4, sequence => sequence.Count < 3 ? Logs(0.35, 0.3, 0.2, 0.15) : Logs(0.3, 0.5, 0.15, 0.05));
            Run(decoder, new GenerationOptions { NumBeams = 2, MaxNewTokens = 12, EarlyStopping = early, StopTokens = [Stop] });
            steps.Add(decoder.Steps);
        }
        Assert.That(steps, Is.Ordered);
        Assert.That(steps[0], Is.LessThan(steps[2]));
    }

    [Test]
    public void A_stop_token_may_come_first()
    {
        var decoder = new TableDecoder(3, _ => Logs(0.98, 0.01, 0.01));
        var found = Run(decoder, new GenerationOptions { NumBeams = 2, MaxNewTokens = 5, LengthPenalty = 0, StopTokens = [Stop] });
        Assert.That(found.Tokens, Is.EqualTo([Stop]));
        Assert.That(found.Reason, Is.EqualTo(FinishReason.StopToken));
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(5)]
    public void There_may_be_more_beams_than_tokens(int length)
    {
        var found = Run(TableDecoder.Noise(2), new GenerationOptions { NumBeams = 9, MaxNewTokens = length, NumReturnSequences = 9 });
        Assert.That(found.Tokens, Has.Count.EqualTo(length));
        Assert.That(All(found).Select(text => string.Join(' ', text.Tokens)).Distinct().Count(), Is.EqualTo(Math.Min(9, 1 << length)));
    }

    [Test]
    public void One_new_token_is_the_likeliest_one()
    {
        float[] logits = TableDecoder.NoiseOf([7], 20);
        var found = Run(TableDecoder.Noise(20), new GenerationOptions { NumBeams = 3, MaxNewTokens = 1, NumReturnSequences = 3 });
        int[] best = [.. Enumerable.Range(0, 20).OrderByDescending(token => logits[token]).Take(3)];
        Assert.That(All(found).Select(text => text.Tokens), Is.EqualTo(best.Select(token => new[] { token })));
        Assert.That(All(found).Select(text => text.Reason), Is.All.EqualTo(FinishReason.MaxNewTokens));
    }

    [Test]
    public void Equal_scores_go_to_the_first_token()
    {
        var found = Run(new TableDecoder(5, _ => new float[5]), new GenerationOptions { NumBeams = 2, MaxNewTokens = 2 });
        Assert.That(found.Tokens, Is.EqualTo([0, 0]));
    }

    [Test]
    public void Forced_tokens_stand_at_both_ends_and_a_minimum_length_holds_off_the_stop_token()
    {
        var options = new GenerationOptions
        {
            NumBeams = 3, MaxNewTokens = 6, ForcedBosTokenId = 5, ForcedEosTokenId = 4, StopTokens = [4], MinNewTokens = 6,
            NumReturnSequences = 3,
        };
        foreach (var text in All(Run(TableDecoder.Noise(8), options)))
        {
            Assert.That(text.Tokens, Has.Count.EqualTo(6));
            Assert.That((text.Tokens[0], text.Tokens[^1]), Is.EqualTo((5, 4)));
            Assert.That(text.Tokens.Take(5), Has.None.EqualTo(4));
        }
    }

    [Test]
    public void A_stop_string_ends_a_beam_and_is_cut_off()
    {
        var decoder = new TableDecoder(4, sequence => sequence[^1] == 2 ? Logs(0.01, 0.01, 0.01, 0.97) : Logs(0.05, 0.2, 0.7, 0.05));
        var streamed = new List<int>();
        var request = new TextRequest([7], new GenerationOptions { NumBeams = 2, MaxNewTokens = 6, StopStrings = ["<2><3>"] }, 100, Decode)
        {
            OnToken = (id, _) => streamed.Add(id),
        };
        var found = StepGeneration.Run(decoder, [request], default)[0];
        Assert.That(found.Reason, Is.EqualTo(FinishReason.StopString));
        Assert.That(found.Tokens, Is.EqualTo([2, 3]));
        Assert.That(found.Text, Is.Empty);
        Assert.That(streamed, Is.EqualTo(found.Tokens));
    }

    [Test]
    public void A_cancelled_search_gives_its_best_beam()
    {
        using var cancel = new CancellationTokenSource();
        var decoder = new TableDecoder(5, sequence =>
        {
            if (sequence.Count == 3)
            {
                cancel.Cancel();
            }
            return TableDecoder.NoiseOf(sequence, 5);
        });
        var found = StepGeneration.Run(decoder, [new TextRequest([7], new GenerationOptions { NumBeams = 2 }, 100)], cancel.Token)[0];
        Assert.That((found.Reason, found.Tokens.Count), Is.EqualTo((FinishReason.Cancelled, 3)));
    }

    [Test]
    public void Options_that_exclude_every_token_are_an_error()
    {
        var options = new GenerationOptions { NumBeams = 2, SuppressTokens = [0, 1, 2] };
        Assert.That(() => Run(TableDecoder.Noise(3), options),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no token may follow"));
        Assert.That(() => Run(TableDecoder.Noise(3), options with { NumBeams = 1 }), Throws.TypeOf<BadInputException>());
    }

    private static GenerationResult Run(TableDecoder decoder, GenerationOptions options) =>
        StepGeneration.Run(decoder, [new TextRequest([7], options, 100)], default)[0];

    private static IEnumerable<GenerationResult> All(GenerationResult result) => result.Alternatives.Prepend(result);

    private static float[] Logs(params double[] probabilities) => Array.ConvertAll(probabilities, p => (float)Math.Log(p));

    private static string Decode(IReadOnlyList<int> ids) => string.Concat(ids.Select(id => $"<{id}>"));

    /// <summary>All texts of at most <paramref name="length"/> tokens with their ln p: those that end, and those of full
    /// length.</summary>
    private static IEnumerable<(int[] Tokens, double Score)> Texts(int[] tokens, double score, int vocabulary, int length, int seed)
    {
        if (tokens.Length == length || (tokens.Length > 0 && tokens[^1] == Stop))
        {
            return [(tokens, score)];
        }
        float[] logs = TableDecoder.NoiseOf([7, .. tokens], vocabulary, seed);
        LogitsProcessors.LogSoftmax(logs);
        return Enumerable.Range(0, vocabulary)
            .SelectMany(token => Texts([.. tokens, token], score + logs[token], vocabulary, length, seed));
    }
}
