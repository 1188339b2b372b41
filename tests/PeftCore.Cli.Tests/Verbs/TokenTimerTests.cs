using PeftCore.Cli.Session;

namespace PeftCore.Cli.Tests.Verbs;

public sealed class TokenTimerTests
{
    [Test]
    public void The_first_token_is_told_apart_from_the_rate()
    {
        var timer = TimerAfter([2, 2.5, 3]);

        Assert.That((timer.Rate, timer.FirstToken), Is.EqualTo((2.0, 2.0)));
        Assert.That(timer.Text(3, 7), Is.EqualTo("3 tokens, 2 tok/s, the first after 2.00 s with the 7 of the prompt"));
    }

    [Test]
    public void One_token_has_no_rate_and_none_has_no_time()
    {
        Assert.That(TimerAfter([2]).Text(1, 7), Is.EqualTo("1 token, the first after 2.00 s with the 7 of the prompt"));
        Assert.That(TimerAfter([]).Text(0, 7), Is.EqualTo("0 tokens"));
    }

    [Test]
    public void Tokens_that_come_at_the_end_share_the_whole_time()
    {
        var timer = new TokenTimer(() => TimeSpan.FromSeconds(4));
        timer.CountAtEnd(20);

        Assert.That(timer.Text(20, 7), Is.EqualTo("20 tokens, 5 tok/s"));
    }

    private static TokenTimer TimerAfter(double[] seconds)
    {
        int next = 0;
        var timer = new TokenTimer(() => TimeSpan.FromSeconds(seconds[next++]));
        foreach (double _ in seconds)
        {
            timer.Count();
        }
        return timer;
    }
}
