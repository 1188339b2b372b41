using System.Text;
using PeftCore.Models.Generation;

namespace PeftCore.Tests.Models.Generation;

public sealed class TextStreamTests
{
    [Test]
    public void Characters_whose_bytes_come_in_pieces_wait_until_they_are_whole()
    {
        var stream = new TextStream(Bytes, [], Tokens("a"));
        var pieces = Tokens("é€b").Select(token =>
        {
            stream.Add(token);
            return stream.Give();
        });
        Assert.That(pieces, Is.EqualTo(["", "é", "", "", "€", "b"]));
        Assert.That(stream.Text, Is.EqualTo("é€b"));
    }

    [Test]
    public void A_decoder_that_drops_the_first_space_loses_none_inside_the_text()
    {
        string[] words = [" once", " upon", " a", " time"];
        var stream = new TextStream(ids => string.Concat(ids.Select(id => words[id])).TrimStart(' '), [], [0, 1]);
        stream.Add(2);
        stream.Add(3);
        stream.Add(1);
        Assert.That(stream.Text, Is.EqualTo(" a time upon"));
    }

    [Test]
    public void A_stop_string_spread_over_tokens_is_found_cut_off_and_never_shown()
    {
        var stream = new TextStream(Bytes, ["###", "END"], Tokens("x"));
        var shown = new StringBuilder();
        foreach (int token in Tokens("one ## two EN three ### four"))
        {
            stream.Add(token);
            shown.Append(stream.Give());
            if (stream.Stopped)
            {
                break;
            }
            Assert.That(stream.Text, Does.StartWith(shown.ToString()));
        }
        Assert.That(stream.Stopped, Is.True);
        Assert.That(stream.Text, Is.EqualTo("one ## two EN three ").And.EqualTo(shown.ToString() + stream.Flush()));
    }

    [Test]
    public void What_was_held_back_is_given_at_the_end()
    {
        var stream = new TextStream(Bytes, ["STOP"], Tokens("x"));
        foreach (int token in Tokens("a ST€").SkipLast(1))
        {
            stream.Add(token);
        }
        Assert.That(stream.Give(), Is.EqualTo("a "));
        Assert.That(stream.Flush(), Is.EqualTo("ST\uFFFD"));
    }

    private static string Bytes(IReadOnlyList<int> ids) => Encoding.UTF8.GetString([.. ids.Select(id => (byte)id)]);

    private static int[] Tokens(string text) => [.. Encoding.UTF8.GetBytes(text).Select(b => (int)b)];
}
