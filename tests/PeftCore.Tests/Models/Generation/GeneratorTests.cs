using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Generation;

[TestFixture("llama")]
[TestFixture("gpt2")]
public sealed class GeneratorTests(string family)
{
    private CpuBackend _backend;
    private TransformerModel _model;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _model = ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), _backend);
    }

    [TearDown]
    public void Close()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Greedy_tokens_are_those_of_the_reference()
    {
        using var expected = WeightSource.OpenFile(TestFiles.Fixture("hf", family, "base", "expected.safetensors"));
        int[] prompt = Fixtures.Ints(expected, "in.input_ids")[..4];
        int[] greedy = Fixtures.Ints(expected, "greedy");
        var result = new Generator(_model, _backend).Generate(prompt, new GenerationOptions { MaxNewTokens = 8 });
        Assert.That(result.Tokens, Is.EqualTo(greedy[^8..]));
        Assert.That(result.Reason, Is.EqualTo(FinishReason.MaxNewTokens));
    }

    [Test]
    public void Reading_with_a_cache_in_any_pieces_gives_the_logits_of_reading_at_once()
    {
        int[] ids = [.. Enumerable.Range(0, 20).Select(i => 3 + i * 17 % 90)];
        using var scope = new TensorScope();
        float[] whole = _model.Logits(ModelInputs.From(_backend, ids, 1)).ToArray<float>();
        using var decoder = new CachedDecoder(_model, _backend, 20);
        List<float> pieces = [.. decoder.ReadAll(ids[..5]), .. decoder.ReadAll(ids[5..6])];
        decoder.ReadAll([9, 9, 9]);
        decoder.GoBack(6);
        pieces.AddRange([.. decoder.ReadAll(ids[6..13])]);
        Assert.That(Fixtures.Error([.. pieces], whole.AsSpan(0, pieces.Count)), Is.LessThan(1e-5));
        Assert.That(Fixtures.Error(decoder.Read(ids[13..]), whole.AsSpan(19 * _model.VocabularySize)), Is.LessThan(1e-5));
        Assert.That(decoder.Length, Is.EqualTo(20));
    }

    [Test]
    public void A_seed_decides_the_draws_and_memory_is_given_back()
    {
        var generator = new Generator(_model, _backend);
        var options = new GenerationOptions { MaxNewTokens = 20, Temperature = 1.2f, Seed = 4 };
        var first = generator.Generate([5, 6], options).Tokens;
        long before = _backend.Memory.CurrentBytes;
        var again = generator.Generate([5, 6], options).Tokens;
        var other = generator.Generate([5, 6], options with { Seed = 5 }).Tokens;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(again, Is.EqualTo(first));
            Assert.That(other, Is.Not.EqualTo(first));
            Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
        }
    }

    [Test]
    public void A_stop_token_ends_the_text_and_is_the_last_token()
    {
        var generator = new Generator(_model, _backend);
        var free = generator.Generate([5, 6], new GenerationOptions { MaxNewTokens = 12 }).Tokens;
        int stop = free[4];
        var seen = new List<(int Id, string Text)>();
        var stopped = generator.Generate([5, 6], new GenerationOptions { MaxNewTokens = 12, StopTokens = [stop] }, Decode,
            (id, text) => seen.Add((id, text)));
        int end = free.ToList().IndexOf(stop);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(stopped.Reason, Is.EqualTo(FinishReason.StopToken));
            Assert.That(stopped.Tokens, Is.EqualTo(free.Take(end + 1)));
            Assert.That(seen.Select(token => token.Id), Is.EqualTo(stopped.Tokens));
            Assert.That(string.Concat(seen.Select(token => token.Text)), Is.EqualTo(stopped.Text).And.EqualTo(Decode([.. free.Take(end)])));
        }
    }

    [Test]
    public void A_stop_string_ends_the_text_before_it()
    {
        var generator = new Generator(_model, _backend);
        var free = generator.Generate([5, 6], new GenerationOptions { MaxNewTokens = 12 }, Decode);
        string stop = free.Text[7..11];
        var stopped = generator.Generate([5, 6], new GenerationOptions { MaxNewTokens = 12, StopStrings = [stop] }, Decode);
        Assert.That(stopped.Reason, Is.EqualTo(FinishReason.StopString));
        Assert.That(stopped.Text, Is.EqualTo(free.Text[..free.Text.IndexOf(stop, StringComparison.Ordinal)]));
    }

    [Test]
    public void A_full_context_ends_the_text_with_a_sentence_and_a_prompt_that_leaves_no_room_is_refused()
    {
        var generator = new Generator(_model, _backend);
        var result = generator.Generate(new int[60].Select(_ => 7).ToArray(), new GenerationOptions { MaxNewTokens = 100 });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.Reason, Is.EqualTo(FinishReason.ContextFull));
            Assert.That(result.Tokens, Has.Count.EqualTo(4));
            Assert.That(result.Notice,
                Is.EqualTo("the text ends after 4 tokens because the model's context of 64 is full, 60 of it taken by the prompt"));
            Refuses(new int[64], "the prompt has 64 tokens, but the model's context holds 64");
            Refuses([], "the prompt has no tokens");
            Refuses([97], "the prompt holds token 97, but the model's vocabulary has 97");
        }

        void Refuses(int[] prompt, string sentence) =>
            Assert.That(() => generator.Generate(prompt), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }

    [Test]
    public void Cancelling_ends_the_text_after_the_current_token()
    {
        using var cancel = new CancellationTokenSource();
        int count = 0;
        var result = new Generator(_model, _backend).Generate([5], new GenerationOptions { MaxNewTokens = 50 }, null, (_, _) =>
        {
            if (++count == 3)
            {
                cancel.Cancel();
            }
        }, cancel: cancel.Token);
        Assert.That(result.Reason, Is.EqualTo(FinishReason.Cancelled));
        Assert.That(result.Tokens, Has.Count.EqualTo(3));
    }

    [Test]
    public void A_repetition_penalty_keeps_greedy_texts_from_repeating()
    {
        var generator = new Generator(_model, _backend);
        var result = generator.Generate([5], new GenerationOptions { MaxNewTokens = 30, RepetitionPenalty = 1e6f });
        Assert.That(result.Tokens.Append(5).Distinct().Count(), Is.EqualTo(31));
    }

    [Test]
    public void A_maximum_length_counts_the_prompt()
    {
        var generator = new Generator(_model, _backend);
        var result = generator.Generate([5, 6, 7], new GenerationOptions { MaxLength = 8, MaxNewTokens = 50 });
        Assert.That((result.Tokens.Count, result.Reason), Is.EqualTo((5, FinishReason.MaxNewTokens)));
        Assert.That(generator.Generate([5, 6, 7], new GenerationOptions { MaxLength = 8, MaxNewTokens = 4 }).Tokens, Has.Count.EqualTo(4));
    }

    [Test]
    public void Options_that_make_no_sense_are_refused()
    {
        var generator = new Generator(_model, _backend);
        using (Assert.EnterMultipleScope())
        {
            Refuses(new GenerationOptions { Temperature = -1 }, "temperature is -1");
            Refuses(new GenerationOptions { TopP = 0 }, "top_p is 0");
            Refuses(new GenerationOptions { MinP = 2 }, "min_p is 2");
            Refuses(new GenerationOptions { MaxNewTokens = 0 }, "max_new_tokens is 0");
            Refuses(new GenerationOptions { RepetitionPenalty = 0 }, "repetition_penalty is 0");
            Refuses(new GenerationOptions { StopStrings = [""] }, "a stop string is empty");
            Refuses(new GenerationOptions { NumBeams = 0 }, "num_beams is 0");
            Refuses(new GenerationOptions { NumBeams = 2, Temperature = 0.5f }, "num_beams is 2 and temperature 0.5");
            Refuses(new GenerationOptions { NumBeams = 2, NumReturnSequences = 3 }, "num_return_sequences is 3, but num_beams 2 finds");
            Refuses(new GenerationOptions { LengthPenalty = double.NaN }, "length_penalty is NaN");
            Refuses(new GenerationOptions { NoRepeatNgramSize = -1 }, "no_repeat_ngram_size is -1");
            Refuses(new GenerationOptions { MinNewTokens = 9, MaxNewTokens = 8 }, "min_new_tokens is 9, but max_new_tokens allows 8");
            Refuses(new GenerationOptions { MinLength = 10, MaxNewTokens = 8 }, "min_length is 10, but 1 tokens of the prompt and 8");
            Refuses(new GenerationOptions { MaxLength = 1 }, "max_length is 1, and the prompt has 1 tokens");
            Refuses(new GenerationOptions { ForcedBosTokenId = 97 }, "forced_bos_token_id names token 97, but the model's vocabulary");
            Refuses(new GenerationOptions { BadWords = [[]] }, "bad_words_ids has a word without tokens");
        }

        void Refuses(GenerationOptions options, string sentence) =>
            Assert.That(() => generator.Generate([5], options, Decode), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }

    private static string Decode(IReadOnlyList<int> ids) => string.Concat(ids.Select(id => $"<{id}>"));
}
