// Command quickstart sends one mail through a queue generated for mails.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tqgen/tqgen/examples/quickstart/mail"
	"github.com/tqgen/tqgen/examples/quickstart/mail/mailqueue"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	q, err := mailqueue.New(mailqueue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := q.Enqueue(ctx, mail.Mail{To: "ada@example.org", Subject: "Hello"}); err != nil {
		log.Fatal(err)
	}
	err = mailqueue.Run(ctx, q, mailqueue.RunOptions{Workers: 4}, func(ctx context.Context, l *mailqueue.Lease) error {
		fmt.Println("attempt", l.Attempt, "to", l.Payload.To)
		stop() // one mail is all there is

		return nil // completes the task; an error would have it tried again
	})
	if err != nil {
		log.Fatal(err)
	}
}
